//! The binary under test.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::NamedTempFile;

use super::{Confdir, Etcd, Logged, Nginx, Owned, SOON, eventually, signal};

/// Tests are given theirs by cargo; the measurements in `benches` take the released one.
pub const BINARY: &str = match option_env!("CARGO_BIN_EXE_register") {
    Some(path) => path,
    None => concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/register"),
};

/// Tests find lines by their events, which JSON has; what is measured logs as it does for users.
const LOG_FORMAT: &str = match option_env!("CARGO_BIN_EXE_register") {
    Some(_) => "json",
    None => "text",
};

/// `register`, with nothing of the caller's environment that could configure it.
pub fn register() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("REGISTER_") || text.starts_with("ETCDCTL_") || text == "NOTIFY_SOCKET"
        {
            command.env_remove(name);
        }
    }
    command
}

/// `register render`.
pub fn render(url: &str, confdir: &Confdir) -> Command {
    let mut command = register();
    command.args(["render", "--endpoints", url, "--confdir", &confdir.flag()]);
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub fn outcome(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Waits until a process that nobody here started has ended.
pub fn wait_until_dead(pid: &str) {
    eventually(&format!("process {pid} has ended"), SOON, || {
        match fs::read_to_string(format!("/proc/{pid}/status")) {
            Err(_) => Ok(()),
            // An orphan is dead even if nobody reaps it.
            Ok(text) if text.contains("State:\tZ") => Ok(()),
            Ok(text) => Err(text),
        }
    });
}

/// Zombies too.
pub fn children_of(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// A running `register`. A flag for the format of its log wins over ours.
pub struct Running {
    process: Owned,
    log: NamedTempFile,
}

impl Running {
    /// The agent, quick to notice.
    pub fn agent(etcd: &Etcd, backend: &Nginx, flags: &[&str]) -> Self {
        let address = backend.address();
        let url = etcd.url();
        Self::spawn(
            register()
                .args([
                    "--service",
                    "web",
                    "--address",
                    &address,
                    "--endpoints",
                    &url,
                ])
                .args(["--interval", "200ms", "--fast-interval", "100ms"])
                .args(flags),
        )
    }

    /// The proxy side, with the etcd at `url`.
    pub fn proxy(url: &str, confdir: &Confdir, flags: &[&str]) -> Self {
        Self::spawn(render(url, confdir).args(flags))
    }

    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_to(command, Path::new("/dev/null"))
    }

    /// With its standard output in a file.
    pub fn spawn_to(command: &mut Command, output: &Path) -> Self {
        let log = NamedTempFile::new().unwrap();
        let child = command
            .env("REGISTER_LOG_FORMAT", LOG_FORMAT)
            .stdin(Stdio::null())
            .stdout(File::create(output).unwrap())
            .stderr(File::create(log.path()).unwrap())
            .spawn()
            .unwrap();
        Self {
            process: Owned(child),
            log,
        }
    }

    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    /// What its log tells of this event.
    pub fn events(&self, name: &str) -> Vec<Logged> {
        Logged::of(&self.log(), name)
    }

    /// How often its log tells of this event.
    pub fn said(&self, event: &str) -> usize {
        self.events(event).len()
    }

    /// How often with this detail.
    pub fn said_with(&self, event: &str, detail: &str) -> usize {
        let mut found = self.events(event);
        found.retain(|line| line.tells(detail));
        found.len()
    }

    /// Which of these events its log tells of, one after the other.
    pub fn order_of(&self, events: &[&'static str]) -> Vec<&'static str> {
        let lines = Logged::lines(&self.log());
        let name = |line: &Logged| events.iter().copied().find(|name| *name == line.event());
        lines.iter().filter_map(name).collect()
    }

    pub fn wait_for_event(&self, name: &str, limit: Duration) {
        self.wait_for_event_with(name, "", limit);
    }

    /// Waits for this event with this detail.
    pub fn wait_for_event_with(&self, name: &str, detail: &str, limit: Duration) {
        let what = format!("the log tells of {name} {detail}");
        eventually(&what, limit, || match self.said_with(name, detail) {
            0 => Err(self.log()),
            _ => Ok(()),
        });
    }

    /// Waits until its log, which is text, has this in it.
    pub fn wait_for_log(&self, text: &str, limit: Duration) {
        eventually(&format!("the log says {text:?}"), limit, || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        });
    }

    /// CPU time of all its threads, those that ended included.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        // A tick is 10 ms on every Linux that we run on.
        Duration::from_millis(10 * ticks)
    }

    /// A file of its directory in `/proc`.
    pub fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.id())).unwrap()
    }

    pub fn signal(&self, which: Signal) {
        signal(&self.process.0, which);
    }

    /// How it ended, if it has; a signal's number n counts as 128+n.
    pub fn try_wait(&mut self) -> Option<i32> {
        let status = self.process.0.try_wait().unwrap()?;
        let code = status.code();
        Some(code.unwrap_or_else(|| 128 + status.signal().unwrap()))
    }

    /// Waits for the end, as [`Self::try_wait`] tells it.
    pub fn wait_for_exit(&mut self, limit: Duration) -> i32 {
        eventually("the agent ends", limit, || {
            self.try_wait()
                .ok_or_else(|| fs::read_to_string(self.log.path()).unwrap())
        })
    }
}
