//! Of the commands that ask running processes.

use std::path::PathBuf;
use std::time::Duration;

use super::faults::{Faults, MILLISECOND};
use crate::cli::{DrainArgs, OutputFormat, SocketArgs, StatusArgs, Variables};
use crate::fault::Fault;

const WAIT: &str = "--wait";

/// Who is asked keeps nobody waiting for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub struct StatusConfig {
    /// None: all services.
    pub names: Vec<String>,
    /// None: all that there are.
    pub sockets: Vec<PathBuf>,
    pub output: OutputFormat,
}

#[derive(Debug)]
pub struct DrainConfig {
    pub names: Vec<String>,
    /// None: all that there are.
    pub sockets: Vec<PathBuf>,
    /// Out, or in again.
    pub drained: bool,
    pub wait: Duration,
}

#[must_use]
pub fn status(args: StatusArgs) -> StatusConfig {
    StatusConfig {
        names: args.names,
        sockets: sockets(args.sockets),
        output: args.output.output,
    }
}

/// # Errors
/// All that is wrong.
pub fn drain(args: DrainArgs, drained: bool, variables: Variables) -> Result<DrainConfig, Faults> {
    let mut faults = Faults::new(variables);
    if args.names.iter().any(String::is_empty) {
        let what = "is empty: give a service's name or its key";
        faults.add(Fault::of_value("SERVICE", "", what));
    }
    let wait = faults.duration(WAIT, &args.wait, MILLISECOND);
    if wait.is_some_and(|wait| wait > LONGEST_WAIT) {
        let what = "must be at most 10m; what is asked for stays in force";
        faults.add(Fault::of_value(WAIT, &args.wait, what));
    }
    let sockets = sockets(args.sockets);
    faults.settle(wait.map(|wait| DrainConfig {
        names: args.names,
        sockets,
        drained,
        wait,
    }))
}

/// Those that are given.
#[must_use]
pub fn sockets(args: SocketArgs) -> Vec<PathBuf> {
    let given = args.control.into_iter().filter(|path| !path.is_empty());
    given.map(PathBuf::from).collect()
}
