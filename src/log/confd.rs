//! confd's log lines: `TIME HOST PROGRAM[PID]: LEVEL message`, on standard error.

use std::fmt;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::os::log_thread::LogThread;

/// The log in confd's words. What is left of it is written when this goes, unless its reader is
/// stuck.
#[derive(Debug)]
pub struct ConfdLog {
    thread: LogThread,
    wording: Wording,
}

/// What stands before each line.
#[derive(Clone, Debug)]
struct Wording {
    host: String,
    program: String,
}

/// confd's word for a level that it does not know.
#[derive(Debug, thiserror::Error)]
#[error("not a valid logrus Level: {0:?}")]
pub struct UnknownLevel(String);

/// # Errors
/// When confd has no such level.
pub fn level(name: &str) -> Result<LevelFilter, UnknownLevel> {
    match name.to_lowercase().as_str() {
        "panic" | "fatal" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        _ => Err(UnknownLevel(name.to_owned())),
    }
}

impl ConfdLog {
    /// `program`: the name we were called by.
    #[must_use]
    pub fn start(program: String) -> Self {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        Self {
            thread: LogThread::start(),
            wording: Wording { host, program },
        }
    }

    pub fn install(&self, level: LevelFilter) {
        let Some(lines) = self.thread.lines() else {
            return;
        };
        tracing_subscriber::fmt()
            .with_env_filter(super::ours(level))
            .with_writer(move || lines.clone())
            .log_internal_errors(false)
            .event_format(self.wording.clone())
            .init();
    }

    /// The last line before confd exits with 1.
    pub fn fatal(&self, message: &str) {
        for line in message.lines() {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = self.wording.start(&mut text, "FATAL");
            self.thread.say(&format!("{text}{line}\n"));
        }
    }
}

impl Wording {
    fn start(&self, out: &mut impl fmt::Write, level: &str) -> fmt::Result {
        let time = humantime::format_rfc3339_seconds(SystemTime::now());
        let Self { host, program } = self;
        let pid = std::process::id();
        write!(out, "{time} {host} {program}[{pid}]: {level} ")
    }
}

impl<S, N> FormatEvent<S, N> for Wording
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = LineFields::default();
        event.record(&mut fields);
        for line in fields.message.lines() {
            self.start(&mut out, word(*event.metadata().level()))?;
            writeln!(out, "{line}{}", fields.rest)?;
        }
        Ok(())
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

#[derive(Default)]
struct LineFields {
    message: String,
    rest: String,
}

impl Visit for LineFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            super::EVENT => {}
            name => self.rest.push_str(&format!(" {name}={value:?}")),
        }
    }
}
