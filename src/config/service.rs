//! One service, as the agent's flags have it.

use std::time::Duration;

use super::announcement;
use super::faults::{Faults, MILLISECOND};
use super::probe;
use super::{Announcement, ServiceConfig};
use crate::cli::AgentArgs;
use crate::fault::Fault;
use crate::health::{Cadence, Thresholds};
use crate::probe::checks::Checks;

pub(super) fn by_flags(
    mut args: AgentArgs,
    address: Option<&str>,
    faults: &mut Faults,
) -> Option<ServiceConfig> {
    args.announcement.address = address.map(str::to_owned);
    let announcement = announcement::to_announce(&args.announcement, faults);
    let probe = probe::check(args.probe.clone(), address, faults);
    check(&args, announcement, probe.map(Checks::from), faults)
}

/// What is not known yet of `args`. Nothing, if anything is wrong.
pub(super) fn check(
    args: &AgentArgs,
    announcement: Option<Announcement>,
    checks: Option<Checks>,
    faults: &mut Faults,
) -> Option<ServiceConfig> {
    let interval = faults.duration("--interval", &args.interval, MILLISECOND);
    let fast_interval = faults.duration("--fast-interval", &args.fast_interval, MILLISECOND);
    let start_grace = faults.duration("--start-grace", &args.start_grace, Duration::ZERO);
    let rise = faults.count("--rise", &args.rise);
    let fall = faults.count("--fall", &args.fall);
    let ttl = ttl(&args.ttl, faults);
    let drain = faults.duration("--drain", &args.drain, Duration::ZERO);
    let stop_timeout = faults.duration("--stop-timeout", &args.stop_timeout, MILLISECOND);
    let announcement = announcement?;
    let name = args.announcement.service.clone();
    Some(ServiceConfig {
        name: name.unwrap_or_else(|| announcement.key.clone()),
        announcement,
        checks: checks?,
        thresholds: Thresholds {
            rise: rise?,
            fall: fall?,
        },
        cadence: Cadence {
            interval: interval?,
            fast_interval: fast_interval?,
        },
        start_grace: start_grace?,
        ttl: ttl?,
        drain: drain?,
        stop_timeout: stop_timeout?,
        drained: false,
    })
}

fn ttl(text: &str, faults: &mut Faults) -> Option<Duration> {
    let ttl = faults.duration("--ttl", text, Duration::from_secs(1))?;
    if ttl.subsec_nanos() != 0 {
        faults.add(Fault::of_value("--ttl", text, "etcd takes whole seconds"));
        return None;
    }
    Some(ttl)
}
