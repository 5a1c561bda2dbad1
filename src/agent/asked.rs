//! What the agent is asked from outside: what it knows, and to take services out or back in.

use std::collections::BTreeSet;

use tokio::sync::oneshot;
use tracing::info;

use super::Agent;
use crate::deadline::now;
use crate::observe::ask::{Ask, DrainAnswer, DrainAsk};
use crate::observe::report::{AgentReport, Report, ServiceReport, Side};
use crate::registration::{Event, ServiceId};
use crate::world::World;

const BACK: &str = "it was put back in meanwhile";
pub(super) const LEFT: &str = "etcd could not be told in time: its key is left to its TTL";

/// Who waits for keys to be gone.
pub(super) struct Waiting {
    /// Of which that is not confirmed yet.
    services: BTreeSet<ServiceId>,
    keys: Vec<String>,
    answer: oneshot::Sender<DrainAnswer>,
}

impl Waiting {
    fn refuse(self, why: &'static str) {
        let _told = self.answer.send(DrainAnswer::Refused(why));
    }
}

impl<W: World> Agent<W> {
    pub(super) fn asked(&mut self, ask: Ask) {
        match ask {
            // Who does not wait any more is not told.
            Ask::Report(answer) => _ = answer.send(self.report()),
            Ask::Drain(ask) => self.drain(ask),
        }
    }

    fn report(&self) -> Report {
        Report {
            at: now(),
            began_at: self.began_at,
            is_ready: self.ready,
            is_stopping: self.stopping,
            etcd: self.etcd.report(),
            side: Side::Agent(AgentReport {
                services: self.service_reports(),
                without_address: self.summary.without_address(),
                probes: self.probes.clone(),
            }),
        }
    }

    fn service_reports(&self) -> Vec<ServiceReport> {
        let services = self.services.iter();
        let reports = services.map(|(id, service)| service.report(self.etcd.lease(id)));
        reports.collect()
    }

    /// The answer comes once etcd has confirmed it.
    fn drain(&mut self, ask: DrainAsk) {
        let DrainAsk {
            service,
            drained,
            uid,
            answer,
        } = ask;
        if self.stopping || self.leave_by.is_some() {
            let _told = answer.send(DrainAnswer::Refused("it is about to end"));
            return;
        }
        let services = self.services.named(&service);
        if services.is_empty() {
            let _told = answer.send(DrainAnswer::Unknown);
            return;
        }
        let what = if drained { "drain" } else { "resume" };
        info!(event = "asked", uid, service, "asked to {what} {service}");
        let keys: Vec<_> = services.iter().map(|(_, key)| key.clone()).collect();
        self.drains
            .say(&service, drained, keys.iter().map(String::as_str));
        for (id, _) in &services {
            self.react(*id, Event::Drained(drained));
        }
        let out = services.into_iter().map(|(id, _)| id);
        self.waiting.push(Waiting {
            services: out.filter(|_| drained).collect(),
            keys,
            answer,
        });
        self.answer_waiting();
    }

    /// Whether any of them was put back in.
    fn is_back(&mut self, services: &BTreeSet<ServiceId>) -> bool {
        services.iter().any(|id| {
            let service = self.services.get(*id);
            service.is_some_and(|service| !service.is_stopping() && !service.is_drained())
        })
    }

    /// What they wait for will not come.
    pub(super) fn refuse_waiting(&mut self, id: ServiceId, why: &'static str) {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (refused, kept): (Vec<_>, Vec<_>) =
            waiting.partition(|waiting| waiting.services.contains(&id));
        self.waiting = kept;
        for waiting in refused {
            waiting.refuse(why);
        }
    }

    /// Tells those for whom all is done, and forgets those who do not wait any more.
    pub(super) fn answer_waiting(&mut self) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            waiting.services.retain(|id| {
                let service = self.services.get(*id);
                service.is_some_and(|service| !service.is_out())
            });
            if self.is_back(&waiting.services) {
                waiting.refuse(BACK);
            } else if waiting.services.is_empty() {
                let _told = waiting.answer.send(DrainAnswer::Done(waiting.keys));
            } else if !waiting.answer.is_closed() {
                self.waiting.push(waiting);
            }
        }
    }
}
