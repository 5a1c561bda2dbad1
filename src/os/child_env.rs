//! What of our environment the commands that we run do not get.

use std::process::Command;

/// Our secrets, and our line to the service manager.
pub const WITHHELD: &[&str] = &[
    "REGISTER_USER",
    // Headers and URLs may hold passwords.
    "REGISTER_HEADER",
    "REGISTER_CHECK",
    "ETCDCTL_USER",
    "ETCDCTL_PASSWORD",
    "CONFD_USERNAME",
    "CONFD_PASSWORD",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

pub fn withhold(command: &mut Command) {
    for name in WITHHELD {
        command.env_remove(name);
    }
}
