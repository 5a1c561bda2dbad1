//! Logs, on standard error.

#[cfg(test)]
pub(crate) mod captured;
pub mod confd;
mod text;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{LogArgs, LogFormat, Variables};
use crate::fault::{Fault, Place};
use crate::os::log_thread::LogThread;
pub use text::TextFields;

/// The field that names what happened: for programs, and so in JSON only.
const EVENT: &str = "event";

/// What we say at `level`, and of the libraries below us no more than warnings.
fn ours(level: LevelFilter) -> EnvFilter {
    let below = level.min(LevelFilter::WARN);
    EnvFilter::new(format!("{below},register={level},renderer={level}"))
}

/// The log. What is left of it is written when this goes, unless its reader is stuck.
#[derive(Debug)]
pub struct Log {
    thread: LogThread,
    format: LogFormat,
}

impl Log {
    #[must_use]
    pub fn new(format: LogFormat) -> Self {
        Self {
            thread: LogThread::default(),
            format,
        }
    }

    /// Installs the subscriber. `RUST_LOG` wins over `--log-level`, as it can say more.
    ///
    /// # Errors
    /// When the level or `RUST_LOG` cannot be parsed: with where it was given.
    pub fn install(&mut self, args: &LogArgs, variables: &Variables) -> Result<(), Fault> {
        let filter = filter(args, variables)?;
        self.thread = LogThread::start();
        let Some(lines) = self.thread.lines() else {
            return Ok(());
        };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || lines.clone())
            .with_target(false)
            .with_ansi(false)
            // It would say on standard error that standard error cannot be written, and panic.
            .log_internal_errors(false);
        match self.format {
            LogFormat::Json => builder.json().flatten_event(true).init(),
            LogFormat::Text => {
                let builder = builder.fmt_fields(TextFields);
                // The journal stamps each line itself.
                match is_journal() {
                    true => builder.without_time().init(),
                    false => builder.init(),
                }
            }
        }
        Ok(())
    }

    /// The last words before a failure's exit code, whatever the log's level.
    pub fn fatal(&self, message: &str) {
        let lines = message.lines().map(|line| match self.format {
            LogFormat::Text => format!("register: {line}\n"),
            LogFormat::Json => {
                let timestamp = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
                let entry = serde_json::json!({
                    "timestamp": timestamp, "level": "ERROR", "message": line, EVENT: "failed",
                });
                format!("{entry}\n")
            }
        });
        self.thread.say(&lines.collect::<String>());
    }
}

fn filter(args: &LogArgs, variables: &Variables) -> Result<EnvFilter, Fault> {
    if let Ok(directives) = std::env::var("RUST_LOG")
        && !directives.is_empty()
    {
        return EnvFilter::builder().parse(&directives).map_err(|error| {
            Fault::of_value(Place::Variable("RUST_LOG".to_owned()), &directives, error)
        });
    }
    let level: LevelFilter = args.log_level.parse().map_err(|_| {
        let what = "use error, warn, info, debug or trace";
        Fault::of_value(variables.place("--log-level"), &args.log_level, what)
    })?;
    Ok(ours(match args.is_quiet() {
        true => level.min(LevelFilter::WARN),
        false => level,
    }))
}

/// Whether standard error is the stream that the service manager connected to the journal. The
/// variable alone is inherited by those whose standard error goes elsewhere.
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    stderr
        .and_then(|file| file.metadata())
        .is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}
