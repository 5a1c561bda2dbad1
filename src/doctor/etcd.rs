//! Every endpoint of etcd, side by side.

use futures_util::future::join_all;
use tokio::time::timeout;

use super::STEP;
use super::cluster;
use super::endpoint::{self, ExaminedEndpoint};
use super::finding::Finding;
use super::step::told;
use crate::etcd::api::Dial;
use crate::etcd::config::EtcdConfig;
use crate::etcd::error::EtcdError;
use crate::etcd::wire::{WireDial, WireLink};

pub(super) struct ExaminedEtcd {
    pub(super) findings: Vec<Finding>,
    /// To the first endpoint that serves us.
    pub(super) link: Option<WireLink>,
    pub(super) user: Option<String>,
}

pub(super) async fn examine(config: &EtcdConfig) -> ExaminedEtcd {
    let user = config.credentials.as_ref().map(|user| user.user.clone());
    let mut dial = WireDial::new(config.clone());
    let discovered = discover(config, &mut dial).await;
    let mut findings: Vec<_> = discovered.found.into_iter().collect();
    let count = if discovered.is_of_use {
        dial.endpoint_count()
    } else {
        0
    };
    let endpoints = (0..count).map(|number| endpoint::examine(config, dial.clone(), number));
    let mut endpoints = join_all(endpoints).await;
    let clusters = endpoints.iter().map(|one| (one.url.as_str(), one.cluster));
    let of_clusters = cluster::examine(clusters);
    let link = endpoints.iter_mut().find_map(|one| one.link.take());
    for ExaminedEndpoint { steps, .. } in endpoints {
        findings.extend(steps.findings(link.is_some()));
    }
    findings.extend(of_clusters);
    ExaminedEtcd {
        findings,
        link,
        user,
    }
}

struct Discovered {
    found: Option<Finding>,
    /// Whether there are endpoints to look at.
    is_of_use: bool,
}

/// Looks endpoints up in DNS, where that is asked for.
async fn discover(config: &EtcdConfig, dial: &mut WireDial) -> Discovered {
    let Some(discovery) = &config.discovery else {
        return Discovered {
            found: None,
            is_of_use: true,
        };
    };
    let domain = &discovery.domain;
    let name = format!("etcd {domain}: SRV");
    let looked = timeout(STEP, dial.find_endpoints(0)).await;
    let looked = looked.unwrap_or_else(|_| Err(EtcdError::silent(domain, STEP)));
    let is_of_use = looked.is_ok();
    let found = match looked {
        Ok(()) => {
            let urls: Vec<_> = (0..dial.endpoint_count())
                .map(|n| dial.endpoint(n))
                .collect();
            Finding::ok(name, urls.join(", "))
        }
        Err(error) => {
            let advice = "correct --discovery-srv, or the records and name servers of that domain";
            Finding::fault(name, told(&error), advice)
        }
    };
    Discovered {
        found: Some(found),
        is_of_use,
    }
}
