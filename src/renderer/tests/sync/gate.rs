//! What commands hang at until a test lets them go on.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

use crate::host::Host;

/// Closed until dropped, also when a test fails: nobody is left behind it.
#[must_use]
pub struct Gate {
    _locked: File,
}

impl Host {
    /// A command that is `through(name)` hangs from now on.
    pub fn close(&self, name: &str) -> Gate {
        let file = File::create(self.path(name)).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        Gate { _locked: file }
    }
}

/// Says its name, and goes through that gate.
pub fn through(gate: &str) -> String {
    format!("echo {gate} >> @DIR@/log; flock -s @DIR@/{gate} true")
}
