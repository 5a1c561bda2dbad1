//! Whether processes know of themselves what is so, once all has come to rest.

use register::health::Verdict;
use register::observe::report::{ProxyReport, Report, ResourceState, ServiceReport, Side};
use register::registration::Status;

use crate::disk::RESOURCES;
use crate::keys::{self, KEYS};
use crate::promises::Standing;
use crate::world::World;

impl World {
    /// Each is asked; it answers when it turns next.
    pub fn look(&mut self) {
        for client in 0..self.processes.len() {
            let mut model = self.shared.borrow_mut();
            model.hosts[client].asking.look();
            model.wake(client);
        }
    }

    pub fn check_reports(&self) {
        for client in 0..self.processes.len() {
            let is_stopping = self.shared.borrow().hosts[client].stopping.is_some();
            if self.processes[client].is_none() || is_stopping {
                continue;
            }
            let report = self.shared.borrow_mut().hosts[client].asking.report();
            let fault = match report {
                None => Some("nothing".to_owned()),
                Some(report) => self.fault_of_report(client, &report),
            };
            if let Some(fault) = fault {
                let said =
                    || format!("client {client} says {fault} when it is asked what it knows");
                self.shared.borrow_mut().fail(said);
            }
        }
    }

    fn fault_of_report(&self, client: usize, report: &Report) -> Option<String> {
        let said_ready = self.shared.borrow().hosts[client].said_ready;
        if report.is_ready != said_ready || report.is_stopping {
            return Some("that it is not ready, or that it stops".to_owned());
        }
        if report.began_at > report.at {
            return Some("that it has yet to begin".to_owned());
        }
        match &report.side {
            Side::Agent(agent) => {
                let named = |key| agent.services.iter().find(|one| one.key == keys::text(key));
                let faults =
                    (0..KEYS).filter_map(|key| self.fault_of_service(client, key, named(key)));
                let of_etcd = (!agent.services.is_empty())
                    .then(|| fault_of_etcd(report))
                    .flatten();
                of_etcd.into_iter().chain(faults).next()
            }
            Side::Proxy(proxy) => fault_of_etcd(report).or_else(|| fault_of_proxy(proxy)),
        }
    }

    fn fault_of_service(
        &self,
        client: usize,
        key: usize,
        said: Option<&ServiceReport>,
    ) -> Option<String> {
        let standing = self.standing(client, key)?;
        let Some(said) = said else {
            return Some(format!("nothing of key {key}"));
        };
        let (status, verdict) = match standing {
            Standing::Registered => (Status::Registered, Some(Verdict::Up)),
            Standing::Displaced => (Status::Displaced, Some(Verdict::Up)),
            Standing::Down => (Status::Unhealthy, Some(Verdict::Down)),
            Standing::Drained => (Status::Drained, said.verdict),
        };
        let model = self.shared.borrow();
        let held = model.etcd.keys[key].map(|kv| kv.lease);
        let is_registered = standing == Standing::Registered;
        let (lease, probes) = (said.lease.map(|lease| lease.id), said.passed + said.failed);
        let is_so = said.status == status
            && said.verdict == verdict
            && said.is_drained == (standing == Standing::Drained)
            && lease == held.filter(|_| is_registered)
            && said.announced >= u64::from(is_registered)
            && said.displaced >= u64::from(standing == Standing::Displaced)
            && (probes > 0) == said.probe.is_some()
            && said.verdict.is_some() == said.verdict_since.is_some();
        (!is_so).then(|| format!("{said:?}"))
    }
}

fn fault_of_etcd(report: &Report) -> Option<String> {
    let etcd = &report.etcd;
    let is_so = etcd.endpoint.is_some()
        && etcd.answered_at.is_some()
        && etcd.connections > 0
        && etcd.outage.is_none();
    (!is_so).then(|| format!("{etcd:?}"))
}

fn fault_of_proxy(proxy: &ProxyReport) -> Option<String> {
    let has_come_of_all = proxy
        .resources
        .iter()
        .all(|one| one.state != ResourceState::Waiting);
    let is_so = proxy.resources.len() == RESOURCES && proxy.revision > 0 && has_come_of_all;
    (!is_so).then(|| format!("{proxy:?}"))
}
