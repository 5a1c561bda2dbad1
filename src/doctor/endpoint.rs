//! One endpoint of etcd, from its name to a member that serves.

use std::net::IpAddr;

use super::member;
use super::network;
use super::step::{Remark, Steps, Trouble};
use super::{STEP, turn};
use crate::etcd::api::{Call, Dial, KeyRange, Link, Login, Read, What};
use crate::etcd::config::EtcdConfig;
use crate::etcd::error::{EtcdError, Problem};
use crate::etcd::wire::member::MemberStatus;
use crate::etcd::wire::{WireDial, WireLink};

const DNS: &str = "DNS";
const TCP: &str = "TCP";
const TLS: &str = "TLS";
const LOGIN: &str = "login";
const MEMBER: &str = "member";

pub(super) struct ExaminedEndpoint {
    pub(super) url: String,
    pub(super) steps: Steps,
    /// If it serves us.
    pub(super) link: Option<WireLink>,
    /// Its cluster's id, if it tells.
    pub(super) cluster: Option<u64>,
}

/// A URL's parts: whether it is https://, host and port.
struct Target<'u> {
    is_tls: bool,
    host: &'u str,
    port: u16,
}

impl<'u> Target<'u> {
    fn of(url: &'u str) -> Self {
        let (scheme, authority) = url.split_once("://").unwrap_or(("http", url));
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        Self {
            is_tls: scheme == "https",
            host: host.trim_start_matches('[').trim_end_matches(']'),
            port: port.parse().unwrap_or_default(),
        }
    }

    fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// Which steps there will be something to say of.
    fn steps(&self, config: &EtcdConfig) -> Vec<&'static str> {
        let steps = [
            (DNS, self.is_name()),
            (TCP, true),
            (TLS, self.is_tls),
            (LOGIN, config.credentials.is_some()),
            (MEMBER, true),
        ];
        let wanted = steps.into_iter().filter(|(_, wanted)| *wanted);
        wanted.map(|(name, _)| name).collect()
    }
}

pub(super) async fn examine(
    config: &EtcdConfig,
    mut dial: WireDial,
    number: usize,
) -> ExaminedEndpoint {
    let url = dial.endpoint(number).to_owned();
    let target = Target::of(&url);
    let mut steps = Steps::new(format!("etcd {url}"), target.steps(config));
    let served = walk(&target, config, &mut dial, number, &mut steps).await;
    let (link, cluster) = served.unzip();
    ExaminedEndpoint {
        url,
        steps,
        link,
        cluster: cluster.flatten(),
    }
}

/// None if a step failed.
async fn walk(
    target: &Target<'_>,
    config: &EtcdConfig,
    dial: &mut WireDial,
    number: usize,
    steps: &mut Steps,
) -> Option<(WireLink, Option<u64>)> {
    let addresses = network::resolve(target.host, target.port);
    let addresses = steps.take(DNS, STEP, named(target, addresses)).await?;
    let tcp = steps.take(TCP, STEP, network::connect(&addresses)).await?;
    let secured = secure(target, config, tcp);
    steps.take(TLS, STEP, secured).await?;
    let opening = if config.credentials.is_some() {
        LOGIN
    } else {
        MEMBER
    };
    let link = steps
        .take(opening, STEP, open(config, dial, number))
        .await?;
    let cluster = steps.take(MEMBER, STEP, serves(&link)).await?;
    Some((link, cluster))
}

/// An address needs no name server, and nothing is said of it.
async fn named<T>(
    target: &Target<'_>,
    resolved: impl Future<Output = Result<(T, Remark), Trouble>>,
) -> Result<(T, Remark), Trouble> {
    let (addresses, remark) = resolved.await?;
    Ok((
        addresses,
        if target.is_name() {
            remark
        } else {
            Remark::Nothing
        },
    ))
}

async fn secure(
    target: &Target<'_>,
    config: &EtcdConfig,
    tcp: tokio::net::TcpStream,
) -> Result<((), Remark), Trouble> {
    let Some(tls) = config.tls.as_ref().filter(|_| target.is_tls) else {
        return network::without_tls(tcp).await;
    };
    let name = match &config.discovery {
        Some(discovery) => &discovery.domain,
        None => target.host,
    };
    network::secure(tcp, tls.config(), name, !tls.takes_any_certificate()).await
}

async fn open(
    config: &EtcdConfig,
    dial: &mut WireDial,
    number: usize,
) -> Result<(WireLink, Remark), Trouble> {
    let link = dial.dial(number, 0).await?;
    let login = link.log_in().await?;
    let remark = match (&config.credentials, login) {
        (None, _) => Remark::Nothing,
        (Some(user), Login::AsAsked) => Remark::Good(format!("as {:?}", user.user)),
        (Some(_), Login::NotEnabled) => Remark::Doubtful(
            "authentication is not enabled in etcd: anybody may write".to_owned(),
            "enable it (etcdctl auth enable), or leave --user out".to_owned(),
        ),
    };
    Ok((link, remark))
}

/// The id of its cluster, if it tells. What it says of itself is not all: it is asked for something.
async fn serves(link: &WireLink) -> Result<(Option<u64>, Remark), Trouble> {
    let status = match link.member().await {
        Ok(status) => Some(status),
        // It may keep that to itself.
        Err(error) if error.is_answer() && error.problem != Problem::Refused => None,
        Err(error) => return Err(error.into()),
    };
    let remark = match &status {
        Some(status) => member::judge(status)?,
        None => Remark::Good("serves".to_owned()),
    };
    reads(link).await?;
    Ok((cluster_of(status.as_ref()), remark))
}

fn cluster_of(status: Option<&MemberStatus>) -> Option<u64> {
    Some(status?.cluster).filter(|id| *id != 0)
}

/// A range that we may not read is an answer, too.
async fn reads(link: &WireLink) -> Result<(), EtcdError> {
    let read = Call::Read(Read {
        range: KeyRange::exactly("/"),
        revision: 0,
        limit: 1,
        what: What::CountOnly,
        serializable: false,
    });
    match turn::ask(link, &read).await {
        Ok(_) => Ok(()),
        Err(error) if error.problem == Problem::Denied => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_its_parts_and_the_steps_that_make_sense() {
        let plain = EtcdConfig {
            endpoints: Vec::new(),
            discovery: None,
            credentials: None,
            tls: None,
        };
        let table = [
            ("http://10.0.0.1:2379", "10.0.0.1", &[TCP, MEMBER][..]),
            ("https://[::1]:2379", "::1", &[TCP, TLS, MEMBER]),
            (
                "http://etcd.example:2379",
                "etcd.example",
                &[DNS, TCP, MEMBER],
            ),
        ];
        for (url, host, steps) in table {
            let target = Target::of(url);
            assert_eq!((target.host, target.port), (host, 2379));
            assert_eq!(target.steps(&plain), steps);
        }
    }
}
