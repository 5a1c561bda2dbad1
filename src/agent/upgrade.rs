//! SIGUSR2: the keys are left to the program that is installed by now, which the service manager starts.

use tracing::{error, info};

use super::{Agent, LEAVING};
use crate::deadline::now;
use crate::etcd::session::Order;
use crate::world::World;

impl<W: World> Agent<W> {
    /// `judged`: whether that program takes our settings. If it does not, this one goes on.
    pub(super) fn upgrade(&mut self, judged: Result<(), String>) {
        match judged {
            Ok(()) => self.leave(),
            Err(faults) => {
                for fault in faults.lines() {
                    error!(event = "upgrade_refused", "{fault}");
                }
                error!(
                    event = "upgrade_refused",
                    "the installed program does not take these settings: this one goes on"
                );
            }
        }
    }

    fn leave(&mut self) {
        info!(
            event = "upgrading",
            "leaving the keys to the installed program"
        );
        self.prober.stop();
        self.notifier.status("leaving its keys to the next process");
        self.order(Order::Leave);
        self.leave_by = Some(now() + LEAVING);
    }
}
