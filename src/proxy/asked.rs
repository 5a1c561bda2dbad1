//! What the proxy side is asked from outside: what it knows.

use super::Proxy;
use crate::deadline::now;
use crate::observe::ask::{Ask, DrainAnswer};
use crate::observe::report::{ProxyReport, Report, ResourceReport, Side};
use crate::world::World;

impl<W: World> Proxy<W> {
    pub(super) fn asked(&self, ask: Ask) {
        // Who does not wait any more is not told.
        match ask {
            Ask::Report(answer) => _ = answer.send(self.report()),
            Ask::Drain(ask) => {
                let why = "it is no agent: it has no services";
                _ = ask.answer.send(DrainAnswer::Refused(why));
            }
        }
    }

    fn report(&self) -> Report {
        Report {
            at: now(),
            began_at: self.began_at,
            is_ready: self.ready,
            is_stopping: self.is_stopping,
            etcd: self.following.record().report(),
            side: Side::Proxy(ProxyReport {
                resources: self.resource_reports(),
                rejected: self.log.faults(),
                keys: self.known.keys(),
                revision: self.known.revision(),
                changed_at: self.changed_at,
            }),
        }
    }

    fn resource_reports(&self) -> Vec<ResourceReport> {
        let resources = self.catalog.resources.iter().enumerate();
        let reports = resources.map(|(number, resource)| {
            let is_pending = self.schedule.is_pending(number);
            self.histories.report(resource, is_pending, self.began_at)
        });
        reports.collect()
    }
}
