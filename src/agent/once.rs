//! The commands that do one thing and end: `--once`, `deregister`, `check`.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::located::located;
use crate::cli::OutputFormat;
use crate::config::{
    CheckConfig, DeregisterConfig, EtcdConfig, ServiceConfig, SidekickConfig, Unlocated,
};
use crate::control::live::{LiveAgents, Withdrawn};
use crate::deadline::now;
use crate::etcd::error::EtcdError;
use crate::etcd::holder::{carry_out, fresh_lease};
use crate::etcd::our_leases::OurLeases;
use crate::etcd::procedure::{Done, Procedure, TakenOver};
use crate::etcd::reach::{self, CommandLimits, Connection};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::os::output;
use crate::os::signal::Caught;
use crate::registration::Claim;
use crate::wording;
use crate::world::{Backend, Signals};

/// Runs `work` unless a signal ends it first. Commands that a probe runs are killed then.
///
/// # Errors
/// Those of `work`, or when no signal can be caught.
pub async fn unless_stopped(
    work: impl Future<Output = Result<Exit, RunError>>,
) -> Result<Exit, RunError> {
    let mut signals = Caught::to_stop()?;
    // Losing the work is what a signal asks for.
    tokio::select! {
        done = work => done,
        number = signals.next() => Ok(Exit::Signal(number)),
    }
}

/// What one turn of the bash loop did: probe, then put under a fresh TTL, or delete.
///
/// # Errors
/// When etcd cannot be told.
pub async fn once(config: SidekickConfig, quiet: bool) -> Result<Exit, RunError> {
    let SidekickConfig { etcd, service, .. } = config;
    let service = match located(service).await {
        Ok(service) => service,
        Err(why) => {
            let result = format!("{why}: nothing is registered\n");
            return end(Exit::Failed, result, quiet).await;
        }
    };
    let ServiceConfig {
        announcement,
        checks,
        ttl,
        stop_timeout,
        ..
    } = service;
    let attempt = checks.attempt().await;
    let (verdict, exit) = match &attempt.result {
        Ok(_) => ("healthy", Exit::Done),
        Err(failure) if failure.is_own_hosts() => {
            let key = &announcement.key;
            let result = format!("{key}: this host cannot probe ({failure}); left as it is\n");
            return end(Exit::Failed, result, quiet).await;
        }
        Err(_) => ("unhealthy", Exit::Failed),
    };
    let announcement = Rc::new(announcement);
    let mut our_leases = OurLeases::default();
    let mut tries = 0;
    let done = within(etcd, stop_timeout, async |connection| {
        tries += 1;
        let begun = if attempt.result.is_ok() {
            let fresh = (fresh_lease(&mut Rng::new()), ttl);
            Procedure::announce(&announcement, fresh, true, &mut our_leases)
        } else {
            Procedure::withdraw(&announcement, Claim::Value)
        };
        carry_out(connection, begun, &mut our_leases).await
    })
    .await
    .map_err(|failure| {
        failure.meaning(&format!(
            "the backend is {verdict}, but etcd could not be told"
        ))
    })?;
    let text = attempt.text();
    let result = format!(
        "{}: {verdict} ({text}); {}\n",
        announcement.key,
        told(&done, tries)
    );
    end(exit, result, quiet).await
}

/// Removes the registration if it is for this address.
///
/// # Errors
/// When etcd cannot be told.
pub async fn deregister(config: DeregisterConfig, quiet: bool) -> Result<Exit, RunError> {
    let DeregisterConfig {
        announcement,
        sockets,
        timeout,
        etcd,
    } = config;
    let announcement = located(announcement).await.map_err(|why| {
        let why = format!("{why}: nothing is deregistered; a key expires with its TTL");
        RunError::of_host(why)
    })?;
    let begun_at = now();
    let live = LiveAgents::look(&sockets, timeout / 4).await;
    if let Withdrawn::By(agent) = live.withdraw(&announcement.key, timeout / 2).await {
        let result = format!("{}: {}\n", announcement.key, taken_out(&agent));
        return end(Exit::Done, result, quiet).await;
    }
    let announcement = Rc::new(announcement);
    let mut tries = 0;
    let left = timeout.saturating_sub(now().saturating_duration_since(begun_at));
    let done = within(etcd, left, async |connection| {
        tries += 1;
        let begun = Procedure::withdraw(&announcement, Claim::Value);
        carry_out(connection, begun, &mut OurLeases::default()).await
    })
    .await?;
    let done = match done {
        Done::Withdrawn { deleted: false } if tries == 1 => "nothing of ours there".to_owned(),
        done => told(&done, tries),
    };
    let result = format!("{}: {done}\n", announcement.key);
    end(Exit::Done, result, quiet).await
}

/// A running agent has done it.
pub(super) fn taken_out(agent: &Path) -> String {
    let agent = agent.display();
    format!("drained by its agent, {agent}; `register resume` puts it back")
}

/// Probes once and prints what came of it.
///
/// # Errors
/// When standard output cannot be written.
pub async fn check(config: CheckConfig, quiet: bool) -> Result<Exit, RunError> {
    let probe = match located(config.probe).await {
        Ok(probe) => probe,
        Err(why) => return end(Exit::Failed, not_probed(&why, config.output), quiet).await,
    };
    let attempt = probe.attempt().await;
    let (verdict, is_healthy) = match &attempt.result {
        Ok(_) => ("healthy", Some(true)),
        Err(failure) if failure.is_own_hosts() => ("this host cannot probe", None),
        Err(_) => ("unhealthy", Some(false)),
    };
    let exit = match is_healthy {
        Some(true) => Exit::Done,
        Some(false) | None => Exit::Failed,
    };
    let text = match config.output {
        OutputFormat::Text => {
            let micros = u64::try_from(attempt.took.as_micros()).unwrap_or(u64::MAX);
            let took = humantime::format_duration(Duration::from_micros(micros));
            format!("{verdict}: {} in {took}\n", attempt.text())
        }
        OutputFormat::Json => {
            let seconds = attempt.took.as_secs_f64();
            let report = serde_json::json!({ "healthy": is_healthy, "detail": attempt.text(), "seconds": seconds });
            wording::printable_json(&report) + "\n"
        }
    };
    end(exit, text, quiet).await
}

/// There is nothing to probe.
fn not_probed(why: &Unlocated, output: OutputFormat) -> String {
    let (verdict, is_healthy) = match why {
        Unlocated::NoAddress(_) => ("unhealthy", Some(false)),
        Unlocated::Unknown(..) | Unlocated::Unsound(_) => ("this host cannot probe", None),
    };
    match output {
        OutputFormat::Text => format!("{verdict}: {why}\n"),
        OutputFormat::Json => {
            let report = serde_json::json!({ "healthy": is_healthy, "detail": why.to_string(), "seconds": 0.0 });
            wording::printable_json(&report) + "\n"
        }
    }
}

/// Prints the result, unless it is a success of which nobody wants to hear. In a thread for work that
/// blocks: a reader that stalls keeps no signal waiting.
#[cfg_attr(
    not(test),
    expect(
        clippy::disallowed_methods,
        reason = "no simulation runs what ends by itself"
    )
)]
pub(crate) async fn end(exit: Exit, result: String, quiet: bool) -> Result<Exit, RunError> {
    if !quiet || exit != Exit::Done {
        let printed = spawn_blocking(move || output::print(&result)).await;
        printed.map_err(RunError::of_host)??;
    }
    Ok(exit)
}

/// `tries`: it may have been done by one whose answer was lost.
pub(super) fn told(done: &Done, tries: u32) -> String {
    match done {
        Done::Put {
            lease, taken_over, ..
        } => {
            let of_whom = match taken_over {
                Some(TakenOver::Foreign) => ", in place of another value",
                Some(TakenOver::Ours) | None => "",
            };
            let ttl = wording::duration(lease.ttl());
            format!("registered for {ttl}{of_whom}")
        }
        Done::Occupied { .. } => "held by another".to_owned(),
        Done::Withdrawn { deleted: true } => "deregistered".to_owned(),
        Done::Withdrawn { deleted: false } if tries > 1 => "not registered any more".to_owned(),
        Done::Withdrawn { deleted: false } => "was not registered".to_owned(),
    }
}

/// Does `work` over the first endpoint that serves it.
async fn within<T>(
    etcd: EtcdConfig,
    limit: Duration,
    work: impl AsyncFnMut(&Connection<ThisHost>) -> Result<T, EtcdError>,
) -> Result<T, RunError> {
    let limits = CommandLimits::within(limit, etcd.likely_endpoints());
    let work = reach::once(WireDial::new(etcd), limits, host::seed(), work);
    let done = timeout(limit, work).await;
    Ok(done.map_err(|_| etcd_is_late(limit))??)
}

/// etcd did not answer in time.
pub(crate) fn etcd_is_late(limit: Duration) -> RunError {
    let limit = wording::duration(limit);
    RunError::new(
        Exit::Store,
        format_args!("etcd did not answer within {limit}"),
    )
}
