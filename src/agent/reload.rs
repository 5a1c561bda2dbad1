//! SIGHUP: what was read anew is compared with what there is, and only the difference is carried out.

use tracing::{error, info};

use super::Agent;
use super::service::ServiceSettings;
use super::services::Difference;
use crate::etcd::session::Order;
use crate::registration::{Event, ServiceId};
use crate::world::World;

impl<W: World> Agent<W> {
    pub(super) fn begin_reload(&mut self) {
        info!(event = "reloading", "reading the services again");
        if self.ready {
            self.notifier.reloading();
        }
    }

    /// A file that is no good leaves everything as it was.
    pub(super) fn reload(&mut self, read: Result<Vec<ServiceSettings<W::Backend>>, String>) {
        match read {
            Ok(wanted) => self.apply(wanted),
            Err(faults) => {
                for fault in faults.lines() {
                    error!(event = "reload_failed", "{fault}");
                }
                error!(
                    event = "reload_failed",
                    "not reloaded: everything stays as it was"
                );
            }
        }
        if self.ready {
            self.notifier.ready();
        }
    }

    fn apply(&mut self, wanted: Vec<ServiceSettings<W::Backend>>) {
        if self.summary.without_address() == 0 {
            self.drains.keep_only(&wanted);
        }
        let Difference {
            added,
            changed,
            removed,
        } = self.services.differ(wanted);
        info!(
            event = "reloaded",
            added = added.len(),
            changed = changed.len(),
            removed = removed.len(),
            "reloaded"
        );
        for service in removed {
            self.prober.end(service);
            self.react(service, Event::Shutdown);
        }
        for (service, settings) in changed {
            self.change(service, settings);
        }
        self.begin_all(added);
    }

    /// The key stays in etcd throughout.
    fn change(&mut self, id: ServiceId, settings: ServiceSettings<W::Backend>) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let before = service.settings().clone();
        let was_drained = service.is_drained();
        service.change(settings.clone());
        if before.backend != settings.backend {
            self.prober.set(id, settings.backend.clone());
        }
        if before.drained != settings.drained {
            self.drains.forget(&settings);
        }
        let drained = self.drains.holds(&settings);
        if drained != was_drained {
            self.react(id, Event::Drained(drained));
        }
        if !before.announces_as(&settings) {
            self.order(Order::Restate {
                service: id,
                announcement: settings.announcement,
                ttl: settings.ttl,
            });
            self.react(id, Event::Restated);
        }
    }
}
