//! The commands that do one thing and end: `--once`, `deregister`, `check`.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::cli::OutputFormat;
use crate::config::{AgentConfig, CheckConfig, DeregisterConfig};
use crate::etcd::connection::Connector;
use crate::etcd::granted::Granted;
use crate::etcd::key::{self, Announcement};
use crate::etcd::procedure::TakenOver;
use crate::exit::{Exit, RunError};
use crate::output;
use crate::registration::Claim;
use crate::signal::StopSignals;
use crate::wording;

/// Runs `work` unless a signal ends it first. Commands that a probe runs are killed then.
///
/// # Errors
/// Those of `work`, or when no signal can be caught.
pub async fn unless_stopped(
    work: impl Future<Output = Result<Exit, RunError>>,
) -> Result<Exit, RunError> {
    let mut signals = StopSignals::catch_with_hangup()?;
    // Losing the work is what a signal asks for.
    tokio::select! {
        done = work => done,
        number = signals.recv() => Ok(Exit::Signal(number)),
    }
}

/// What one turn of the bash loop did: probe, then put under a fresh TTL, or delete.
///
/// # Errors
/// When etcd cannot be told.
pub async fn once(config: AgentConfig, quiet: bool) -> Result<Exit, RunError> {
    let AgentConfig {
        target,
        probe,
        ttl,
        stop_timeout,
        etcd,
        ..
    } = config;
    let attempt = probe.attempt().await;
    let (verdict, exit) = match &attempt.result {
        Ok(_) => ("healthy", Exit::Done),
        Err(failure) if failure.is_own_hosts() => {
            let key = &target.key;
            let result = format!("{key}: this host cannot probe ({failure}); left as it is\n");
            return end(Exit::Failed, result, quiet).await;
        }
        Err(_) => ("unhealthy", Exit::Failed),
    };
    let done = within(stop_timeout, async {
        let connection = Connector::new(etcd).connect_within(stop_timeout).await?;
        let mut granted = Granted::default();
        if attempt.result.is_ok() {
            let announced = key::announce(&connection, &target, ttl, true, &mut granted).await?;
            return Ok(told(&announced));
        }
        let removed = key::withdraw(&connection, &target, Claim::Value, &mut granted).await?;
        Ok(if removed {
            "deregistered"
        } else {
            "was not registered"
        }
        .to_owned())
    })
    .await
    .map_err(|failure| {
        failure.meaning(&format!(
            "the backend is {verdict}, but etcd could not be told"
        ))
    })?;
    let text = attempt.text();
    let result = format!("{}: {verdict} ({text}); {done}\n", target.key);
    end(exit, result, quiet).await
}

/// Removes the registration if it is for this address.
///
/// # Errors
/// When etcd cannot be told.
pub async fn deregister(config: DeregisterConfig, quiet: bool) -> Result<Exit, RunError> {
    let DeregisterConfig {
        target,
        timeout,
        etcd,
    } = config;
    let removed = within(timeout, async {
        let connection = Connector::new(etcd).connect_within(timeout).await?;
        Ok(key::withdraw(&connection, &target, Claim::Value, &mut Granted::default()).await?)
    })
    .await?;
    let done = if removed {
        "deregistered"
    } else {
        "nothing of ours there"
    };
    let result = format!("{}: {done}\n", target.key);
    end(Exit::Done, result, quiet).await
}

/// Probes once and prints what came of it.
///
/// # Errors
/// When standard output cannot be written.
pub async fn check(config: CheckConfig, quiet: bool) -> Result<Exit, RunError> {
    let attempt = config.probe.attempt().await;
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

/// Prints the result, unless it is a success of which nobody wants to hear. In a thread for work that
/// blocks: a reader that stalls keeps no signal waiting.
async fn end(exit: Exit, result: String, quiet: bool) -> Result<Exit, RunError> {
    if !quiet || exit != Exit::Done {
        let printed = spawn_blocking(move || output::print(&result)).await;
        printed.map_err(RunError::of_host)??;
    }
    Ok(exit)
}

fn told(announced: &Announcement) -> String {
    match announced {
        Announcement::Put {
            lease, taken_over, ..
        } => {
            let of_whom = match taken_over {
                Some(TakenOver::Foreign) => ", in place of another value",
                Some(TakenOver::Ours) | None => "",
            };
            let ttl = wording::duration(lease.ttl());
            format!("registered for {ttl}{of_whom}")
        }
        Announcement::Occupied { .. } => "held by another".to_owned(),
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    let done = timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(etcd_is_late(limit)))
}

/// etcd did not answer in time.
pub(crate) fn etcd_is_late(limit: Duration) -> RunError {
    let limit = wording::duration(limit);
    RunError::new(
        Exit::Store,
        format_args!("etcd did not answer within {limit}"),
    )
}
