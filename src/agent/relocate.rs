//! An interface has another address, or none any more: what was registered for the one that it had is
//! removed, and what there is now is added.

use super::Agent;
use super::service::ServiceSettings;
use super::services::Difference;
use crate::registration::{Event, ServiceId};
use crate::world::World;

impl<W: World> Agent<W> {
    /// `without_address`: how many more services there would be if all interfaces had addresses.
    pub(super) fn relocate(
        &mut self,
        wanted: Vec<ServiceSettings<W::Backend>>,
        without_address: usize,
    ) {
        let Difference {
            added,
            changed,
            removed,
        } = self.services.differ(wanted);
        self.summary.set_without_address(without_address);
        for (service, settings) in changed {
            self.services.succeed(service, settings);
            self.leave_address(service);
        }
        for service in removed {
            self.leave_address(service);
        }
        self.begin_all(added);
        self.tell_status();
    }

    /// Nobody can be connected to an address that is gone: there is nothing to wait for.
    fn leave_address(&mut self, id: ServiceId) {
        if let Some(service) = self.services.get(id) {
            service.do_not_drain();
        }
        self.react(id, Event::Shutdown);
    }
}
