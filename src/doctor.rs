//! `register doctor`: everything on the way from here to a registered service and a rendered file is
//! examined, and what to fix is said. Nothing is written.

mod advice;
mod backend;
mod cluster;
mod confdir;
mod endpoint;
mod etcd;
mod finding;
mod hello;
mod member;
mod network;
mod path;
mod report;
mod rights;
mod step;
mod timing;
mod ttl;
mod turn;

use std::time::Duration;

use tokio::join;

use crate::agent::located::located_services;
use crate::agent::once::end;
use crate::config::{self, AgentConfig, DoctorConfig, LocatedService, ProxySide, ServiceConfig};
use crate::exit::{Exit, RunError};
use etcd::ExaminedEtcd;
use finding::Finding;

/// The longest that one step may take.
const STEP: Duration = Duration::from_secs(3);

/// # Errors
/// When a service is named that there is not, or the report cannot be printed.
pub async fn run(config: DoctorConfig, quiet: bool) -> Result<Exit, RunError> {
    let output = config.output;
    let findings = examine(config).await?;
    let exit = report::exit(&findings);
    end(exit, report::print(&findings, output), quiet).await
}

async fn examine(config: DoctorConfig) -> Result<Vec<Finding>, RunError> {
    let DoctorConfig {
        etcd,
        agent,
        names,
        proxy,
        ..
    } = config;
    let (services, unlocated) = match agent {
        Some(agent) => divided(located(agent, &names).await?),
        None => (Vec::new(), Vec::new()),
    };
    let (mut examined, backends) = join!(etcd::examine(&etcd), backend::examine(&services));
    let mut findings = std::mem::take(&mut examined.findings);
    if services.is_empty() && unlocated.is_empty() {
        findings.push(none_given(
            "services",
            "--service and --address, or --config",
        ));
    }
    findings.extend(unlocated);
    findings.extend(rights::of_services(&examined, &services).await);
    findings.extend(ttl::examine(&examined, &services).await);
    findings.extend(backends);
    findings.extend(match proxy {
        Some(proxy) if proxy.etcd == etcd => proxy_side(proxy, examined).await,
        Some(proxy) => with_its_etcd(proxy).await,
        None => vec![none_given("proxy side", "--confdir")],
    });
    Ok(findings)
}

fn none_given(name: &str, flags: &str) -> Finding {
    Finding::skipped(name, format!("none is given; see {flags}"))
}

async fn located(agent: AgentConfig, names: &[String]) -> Result<Vec<LocatedService>, RunError> {
    let services = located_services(agent.services, &agent.on_interfaces).await;
    Ok(config::select(services, names)?)
}

/// Those that can be examined, and what there is to say of the others.
fn divided(services: Vec<LocatedService>) -> (Vec<ServiceConfig>, Vec<Finding>) {
    let (mut located, mut unlocated) = (Vec::new(), Vec::new());
    for service in services {
        match service {
            Ok(service) => located.push(service),
            Err((name, why)) => unlocated.push(Finding::fault(
                format!("service {name}: address"),
                why,
                "bring the interface up, or correct the address of the service",
            )),
        }
    }
    (located, unlocated)
}

/// It logs in as somebody else, or elsewhere.
async fn with_its_etcd(proxy: ProxySide) -> Vec<Finding> {
    let mut examined = etcd::examine(&proxy.etcd).await;
    let mut findings = std::mem::take(&mut examined.findings);
    findings.extend(proxy_side(proxy, examined).await);
    findings
}

async fn proxy_side(proxy: ProxySide, etcd: ExaminedEtcd) -> Vec<Finding> {
    let (mut findings, resources) = confdir::examine(&proxy.confdir).await;
    let prefix = proxy.prefix.as_deref();
    findings.extend(rights::of_resources(&etcd, &resources, prefix).await);
    findings
}
