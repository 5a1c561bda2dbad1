//! Checks of files that are not to be written: with [`Options::noop`] they lie in the directory for temporary
//! files meanwhile.
//!
//! [`Options::noop`]: crate::options::Options::noop

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process;

use super::Syncer;
use super::member::Member;
use crate::cancel::Cancel;
use crate::command;
use crate::options::Dialect;
use crate::wording;

/// Names that are tried before giving up.
const ATTEMPTS: u32 = 100;

/// A file that nobody else can read. It is removed when dropped.
struct Rehearsed(PathBuf);

impl Rehearsed {
    fn write(contents: &[u8]) -> io::Result<Self> {
        let mut failure = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..ATTEMPTS {
            let name = format!(".register-noop-{}-{attempt}", process::id());
            let path = std::env::temp_dir().join(name);
            let made = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            match made {
                Ok(mut file) => {
                    let rehearsed = Self(path);
                    file.write_all(contents)?;
                    return Ok(rehearsed);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl Drop for Rehearsed {
    fn drop(&mut self) {
        // It lies where such files are cleared away.
        let _gone = fs::remove_file(&self.0);
    }
}

/// Why the file would not pass its check, where that is one of staged files. confd runs none.
pub(super) fn fault_of(
    syncer: &Syncer,
    member: &Member,
    cancel: Option<&Cancel>,
) -> Option<String> {
    let check = member.resource.check_cmd.as_deref();
    let text = check.filter(|_| member.changed())?;
    let options = &syncer.options;
    if options.dialect == Dialect::Confd || options.sync_only || !wording::names_staged_file(text) {
        return None;
    }
    let rehearsed = match Rehearsed::write(member.rendered_bytes()?) {
        Ok(rehearsed) => rehearsed,
        Err(error) => return Some(format!("the check cannot be run: {error}")),
    };
    let text = match wording::check(text, &rehearsed.0, member.dest()) {
        Ok(text) => text,
        Err(error) => return Some(format!("Config check failed: {error}")),
    };
    let _slot = syncer.commands.take(cancel)?;
    let stop = cancel.map(Cancel::cancelled);
    let timeout = member.resource.check_timeout;
    let (output, result) = command::run(&text, timeout, stop, options.withheld);
    output.log(result.is_err(), options.dialect);
    result
        .err()
        .map(|error| format!("Config check failed: {error}"))
}
