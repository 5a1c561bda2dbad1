//! How many files the process may have open. As Go programs do, it may have as many as the system
//! lets it; what it starts gets the limit that was there before, since some programs count on it
//! (`select`) or close every number below it.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit before it was raised.
static FORMER: OnceLock<Rlimit> = OnceLock::new();

/// Runs the rest of its arguments under the limit that is the first.
const WRAPPER: &str = "ulimit -S -n \"$1\"; shift; exec \"$@\"";

/// Raises the limit as far as it goes. It stays as it is where that is not allowed.
pub fn raise_limit() {
    let former = getrlimit(Resource::Nofile);
    if former.current == former.maximum {
        return;
    }
    let raised = Rlimit {
        current: former.maximum,
        ..former
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        let _ = FORMER.set(former);
    }
}

/// What to give `/bin/sh` so that it runs `text`, under the former limit. By way of another shell,
/// which needs no descriptor of ours.
pub(crate) fn arguments(text: &str) -> Vec<String> {
    let plain = ["-c", text];
    let Some(limit) = FORMER.get().and_then(|former| former.current) else {
        return plain.map(str::to_owned).to_vec();
    };
    let limit = limit.to_string();
    let wrapped = ["-c", WRAPPER, "sh", &limit, "/bin/sh"];
    wrapped
        .iter()
        .chain(&plain)
        .map(|&word| word.to_owned())
        .collect()
}

/// Starts something under the former limit. Until that is done the limit is everybody's.
///
/// # Errors
/// As `start`.
pub fn under_former_limit<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let Some(&former) = FORMER.get() else {
        return start();
    };
    let raised = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, former)?;
    let started = start();
    setrlimit(Resource::Nofile, raised)?;
    started
}
