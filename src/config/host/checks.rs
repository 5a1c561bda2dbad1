//! How a service is checked: `check`, or several `checks`.

use super::document::{Node, Section, TomlValue};
use super::fields::{Fields, OF_A_CHECK, refuse_unknown};
use crate::cli::ProbeArgs;
use crate::config::faults::Faults;
use crate::config::placeholders::Placeholders;
use crate::config::probe::check;
use crate::fault::{Fault, Place, field_of};
use crate::probe::checks::{Checks, Pass};
use crate::probe::{self, Probe};

const CHECK: &str = "--check";
const PASS: &str = "--pass";

/// Which of the two a service has.
enum Choice<'a> {
    One,
    Several(&'a Node, Place),
}

/// `placeholders` are there if name and address are.
pub(super) fn read(
    fields: &Fields<'_>,
    placeholders: Option<Placeholders<'_>>,
    faults: &mut Faults,
) -> Option<Checks> {
    let pass = pass(fields, faults);
    match choice(fields, faults)? {
        Choice::One => {
            if fields.own.fields.contains_key("pass") {
                faults.add(Fault::of(PASS, "only for several checks"));
            }
            one(fields, placeholders, faults).map(Checks::from)
        }
        Choice::Several(node, place) => {
            let probes = several(fields, node, place, placeholders, faults)?;
            Some(Checks::new(probes, pass?))
        }
    }
}

fn pass(fields: &Fields<'_>, faults: &mut Faults) -> Option<Pass> {
    match fields.text(PASS, faults).as_deref() {
        None | Some("all") => Some(Pass::All),
        Some("any") => Some(Pass::Any),
        Some(other) => {
            faults.add(Fault::of_value(PASS, other, "use \"all\" or \"any\""));
            None
        }
    }
}

/// The strongest table that has either says which; none may have both.
fn choice<'a>(fields: &Fields<'a>, faults: &mut Faults) -> Option<Choice<'a>> {
    for section in fields.sections() {
        let (one, several) = (section.fields.get("check"), section.fields.get("checks"));
        match (one, several) {
            (Some(_), Some(_)) => {
                let words = "and check are two ways to say it: give one of them";
                faults.add(Fault::sentence(section.place_of("checks"), words));
                return None;
            }
            (None, Some(node)) => {
                return Some(Choice::Several(node, section.place_of("checks")));
            }
            (Some(_), None) => return Some(Choice::One),
            (None, None) => {}
        }
    }
    Some(Choice::One)
}

fn one(
    fields: &Fields<'_>,
    placeholders: Option<Placeholders<'_>>,
    faults: &mut Faults,
) -> Option<Probe> {
    let url = match fields.find(CHECK, faults) {
        Some(_) => url(fields, placeholders, faults)?,
        None => format!("http://{}/", placeholders?.address),
    };
    probe(fields, url, faults)
}

fn several(
    fields: &Fields<'_>,
    node: &Node,
    place: Place,
    placeholders: Option<Placeholders<'_>>,
    faults: &mut Faults,
) -> Option<Vec<Probe>> {
    let wrong = "must be an array of tables, as in [{ check = \"tcp://{address}\" }]";
    let TomlValue::Array(items) = &node.value else {
        faults.add(Fault::of(place, wrong));
        return None;
    };
    if items.is_empty() {
        faults.add(Fault::sentence(place, "is empty: give at least one"));
        return None;
    }
    let mut probes = Vec::new();
    let mut urls = Vec::new();
    for (at, Node { line, value }) in items.iter().enumerate() {
        let TomlValue::Table(table) = value else {
            faults.add(Fault::of(place.clone(), wrong));
            continue;
        };
        let part = Section {
            suffix: format!(" of check {}", at + 1),
            ..fields.own.part(*line, table.clone())
        };
        let found = faults.within(part.scope(), |faults| {
            of_several(fields, &part, placeholders, faults)
        });
        let (url, probe) = found.unzip();
        urls.extend(url);
        probes.extend(probe);
    }
    refuse_useless(fields.own, &urls, faults);
    Some(probes.into_iter().flatten().collect()).filter(|probes: &Vec<_>| !probes.is_empty())
}

/// The URL of one of several, and the probe if nothing is wrong with it.
fn of_several(
    fields: &Fields<'_>,
    part: &Section,
    placeholders: Option<Placeholders<'_>>,
    faults: &mut Faults,
) -> Option<(String, Option<Probe>)> {
    let known = OF_A_CHECK.map(field_of);
    refuse_unknown(part, known.iter().map(String::as_str), faults);
    if !part.fields.contains_key("check") {
        let words = "is missing: give its URL, as in check = \"tcp://{address}\"";
        faults.add(Fault::sentence(CHECK, words));
        return None;
    }
    let fields = Fields {
        own: part,
        behind: fields.sections().collect(),
        ..fields.clone()
    };
    let url = url(&fields, placeholders, faults)?;
    Some((url.clone(), probe(&fields, url, faults)))
}

/// What a service says for its checks is of use to one of them.
fn refuse_useless(own: &Section, urls: &[String], faults: &mut Faults) {
    for flag in OF_A_CHECK {
        let name = field_of(flag);
        let unfit = urls.iter().map(|url| probe::fault_of_unfit(flag, url));
        if own.fields.contains_key(&name)
            && let Some(Some(fault)) = unfit.min()
        {
            faults.add(fault.placed(|_| own.place_of(&name)));
        }
    }
}

/// With variables and placeholders replaced. A command is a shell's, which has variables of its own.
fn url(
    fields: &Fields<'_>,
    placeholders: Option<Placeholders<'_>>,
    faults: &mut Faults,
) -> Option<String> {
    let (node, place) = fields.find(CHECK, faults)?;
    if let TomlValue::Text(text) = &node.value
        && probe::is_exec(text)
    {
        return faults.take(placeholders?.fill_command(CHECK, text));
    }
    let text = fields.text(CHECK, faults)?;
    if probe::is_exec(&text) {
        let what = "a variable makes it a command; write the command in the file";
        faults.add(Fault::of(place, what));
        return None;
    }
    faults.take(placeholders?.fill(CHECK, &text))
}

/// The probe of `url`, with what the fields say of it.
fn probe(fields: &Fields<'_>, url: String, faults: &mut Faults) -> Option<Probe> {
    let fields = Fields {
        url: Some(url.clone()),
        ..fields.clone()
    };
    let timeout = fields.text("--timeout", faults);
    let args = ProbeArgs {
        expect: fields.text("--expect", faults),
        method: fields.text("--method", faults),
        header: fields.texts("--header", faults).unwrap_or_default(),
        body_regex: fields.text("--body-regex", faults),
        host: fields.text("--host", faults),
        tls_skip_verify: fields.switch("--tls-skip-verify", faults),
        check_ca: fields.text("--check-ca", faults),
        check_cert: fields.text("--check-cert", faults),
        check_key: fields.text("--check-key", faults),
        check_server_name: fields.text("--check-server-name", faults),
        check: Some(url),
        timeout: timeout.unwrap_or(ProbeArgs::default().timeout),
    };
    check(args, None, faults)
}
