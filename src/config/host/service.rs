//! A `[[service]]`.

use super::checks;
use super::document::{Node, Section, TomlValue};
use super::fields::{DynEnv, Fields, OF_A_SERVICE, OF_FILES_ONLY, refuse_unknown};
use super::{json, on_interface};
use crate::address::Address;
use crate::cli::{AgentArgs, AnnouncementArgs};
use crate::config::faults::Faults;
use crate::config::placeholders::Placeholders;
use crate::config::{Announcement, ServiceConfig, announcement, service};
use crate::fault::{Fault, field_of};

/// With the defaults that stand behind it, from the strongest on.
pub(super) fn read(
    section: &Section,
    defaults: &[&Section],
    env: &DynEnv,
    faults: &mut Faults,
) -> Option<ServiceConfig> {
    refuse_unknown_of_service(section, faults);
    let fields = Fields {
        own: section,
        behind: defaults.to_vec(),
        url: None,
        env,
    };
    faults.within(section.scope(), |faults| config(&fields, faults))
}

/// What is wrong with them whatever the services are.
pub(super) fn check_defaults(defaults: &Section, env: &DynEnv, faults: &mut Faults) {
    refuse_unknown_of_service(defaults, faults);
    let stand_ins = [("name", "example"), ("address", "192.0.2.1:80")];
    let fields = stand_ins.map(|(name, text)| {
        let value = TomlValue::Text(text.to_owned());
        let line = defaults.line;
        (name.to_owned(), Node { line, value })
    });
    let of_interface = on_interface::port(defaults, &[], env, faults).is_some();
    let missing = fields.into_iter().filter(|(name, _)| {
        !defaults.fields.contains_key(name) || (name == "address" && of_interface)
    });
    let example = defaults.part(defaults.line, missing.collect());
    let fields = Fields {
        own: &example,
        behind: vec![defaults],
        url: None,
        env,
    };
    faults.within(defaults.scope(), |faults| config(&fields, faults));
}

fn refuse_unknown_of_service(section: &Section, faults: &mut Faults) {
    let known: Vec<_> = [&OF_A_SERVICE[..], &OF_FILES_ONLY]
        .concat()
        .into_iter()
        .map(field_of)
        .collect();
    refuse_unknown(section, known.iter().map(String::as_str), faults);
}

fn config(fields: &Fields<'_>, faults: &mut Faults) -> Option<ServiceConfig> {
    let args = args(fields, faults);
    let drained = fields.switch("--drained", faults).unwrap_or_default();
    let address = args.announcement.address.as_deref();
    let address = address.and_then(|text| text.parse::<Address>().ok());
    let service = args.announcement.service.as_deref();
    let placeholders = service.zip(address.as_ref());
    let placeholders = placeholders.map(|(service, address)| Placeholders { service, address });
    let announcement = announced(fields, &args.announcement, placeholders, faults);
    let checks = checks::read(fields, placeholders, faults);
    let config = service::check(&args, announcement, checks, faults)?;
    Some(ServiceConfig { drained, ..config })
}

/// What flags would give, but for the checks and a value that is a table.
fn args(fields: &Fields<'_>, faults: &mut Faults) -> AgentArgs {
    let service = required(fields, "--service", "the service's name", "apache", faults);
    let address = required(fields, "--address", "HOST:PORT", "10.0.0.5:80", faults);
    let key = fields.text("--key", faults);
    let value = match fields.find("--value", faults) {
        Some((node, _)) if matches!(node.value, TomlValue::Table(_)) => None,
        _ => fields.text("--value", faults),
    };
    let mut args = AgentArgs::default();
    let mut text = |flag, built_in: &mut String| {
        if let Some(text) = fields.text(flag, faults) {
            *built_in = text;
        }
    };
    text("--prefix", &mut args.announcement.prefix);
    text("--interval", &mut args.interval);
    text("--fast-interval", &mut args.fast_interval);
    text("--start-grace", &mut args.start_grace);
    text("--ttl", &mut args.ttl);
    text("--drain", &mut args.drain);
    text("--stop-timeout", &mut args.stop_timeout);
    args.rise = fields.count("--rise", faults).unwrap_or(args.rise);
    args.fall = fields.count("--fall", faults).unwrap_or(args.fall);
    args.announcement = AnnouncementArgs {
        service,
        address,
        key,
        value,
        ..args.announcement
    };
    args
}

fn required(
    fields: &Fields<'_>,
    flag: &'static str,
    what: &str,
    example: &str,
    faults: &mut Faults,
) -> Option<String> {
    if fields.find(flag, faults).is_none() {
        let name = field_of(flag);
        let words = format!("is missing: give {what}, as in {name} = \"{example}\"");
        faults.add(Fault::sentence(flag, words));
    }
    fields.text(flag, faults)
}

fn announced(
    fields: &Fields<'_>,
    args: &AnnouncementArgs,
    placeholders: Option<Placeholders<'_>>,
    faults: &mut Faults,
) -> Option<Announcement> {
    if args.service.is_none() || args.address.is_none() {
        return None;
    }
    let announcement = announcement::to_announce(args, faults);
    let Some((node, place)) = fields.find("--value", faults) else {
        return announcement;
    };
    let TomlValue::Table(table) = &node.value else {
        return announcement;
    };
    let value = json::filled(fields, &place, table, placeholders?, faults);
    let value = serde_json::Value::Object(value?).to_string();
    Some(Announcement {
        value,
        ..announcement?
    })
}
