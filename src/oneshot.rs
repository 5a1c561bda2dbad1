//! The commands that do one thing and end: `--once`, `deregister`, `check`.

use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use crate::cli::OutputFormat;
use crate::config::{AgentConfig, CheckConfig, DeregisterConfig, EtcdConfig, Target};
use crate::etcd::connection::{Connection, Connector};
use crate::etcd::key::{self, Granted};
use crate::etcd::lease::call_timeout;
use crate::exit::Exit;
use crate::registration::Claim;

/// What one turn of the bash loop did: probe, then put under a fresh TTL, or delete.
///
/// # Errors
/// When etcd cannot be told.
pub async fn once(config: AgentConfig) -> anyhow::Result<Exit> {
    let AgentConfig {
        target,
        probe,
        ttl,
        stop_timeout,
        etcd,
        ..
    } = config;
    let attempt = probe.attempt().await;
    let healthy = attempt.result.is_ok();
    let text = attempt.text();
    within(stop_timeout, async {
        let connection = connect(etcd, stop_timeout).await?;
        let mut granted = Granted::default();
        if healthy {
            key::announce(&connection, &target, ttl, true, &mut granted).await?;
            let ttl = humantime::format_duration(ttl);
            println!("{}: healthy ({text}); registered for {ttl}", target.key);
            return Ok(Exit::Done);
        }
        let removed = key::withdraw(&connection, &target, Claim::Value, &mut granted).await?;
        let what = if removed {
            "deregistered"
        } else {
            "was not registered"
        };
        println!("{}: unhealthy ({text}); {what}", target.key);
        Ok(Exit::Unhealthy)
    })
    .await
    .with_context(|| {
        let verdict = if healthy { "healthy" } else { "unhealthy" };
        format!("the backend is {verdict}, but etcd could not be told")
    })
}

/// Removes the registration if it is for this address.
///
/// # Errors
/// When etcd cannot be told.
pub async fn deregister(config: DeregisterConfig) -> anyhow::Result<Exit> {
    let DeregisterConfig {
        target,
        timeout,
        etcd,
    } = config;
    within(timeout, async {
        let connection = connect(etcd, timeout).await?;
        let Target { key, .. } = &target;
        if key::withdraw(&connection, &target, Claim::Value, &mut Granted::default()).await? {
            println!("{key}: deregistered");
        } else {
            println!("{key}: nothing of ours there");
        }
        Ok(Exit::Done)
    })
    .await
}

/// Probes once and prints what came of it.
///
/// # Errors
/// None.
pub async fn check(config: CheckConfig) -> anyhow::Result<Exit> {
    let attempt = config.probe.attempt().await;
    let healthy = attempt.result.is_ok();
    let verdict = if healthy { "healthy" } else { "unhealthy" };
    match config.output {
        OutputFormat::Text => {
            let took =
                Duration::from_micros(u64::try_from(attempt.took.as_micros()).unwrap_or(u64::MAX));
            println!(
                "{verdict}: {} in {}",
                attempt.text(),
                humantime::format_duration(took)
            );
        }
        OutputFormat::Json => println!(
            "{}",
            serde_json::json!({
                "healthy": healthy,
                "detail": attempt.text(),
                "seconds": attempt.took.as_secs_f64(),
            })
        ),
    }
    Ok(if healthy { Exit::Done } else { Exit::Unhealthy })
}

/// Half of the whole for one call leaves time for a second endpoint.
async fn connect(etcd: EtcdConfig, whole: Duration) -> anyhow::Result<Connection> {
    let limit = call_timeout(whole.saturating_mul(3));
    Ok(Connector::new(etcd).connect_any(limit).await?)
}

async fn within(
    limit: Duration,
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    timeout(limit, work).await.with_context(|| {
        format!(
            "etcd did not answer within {}",
            humantime::format_duration(limit)
        )
    })?
}
