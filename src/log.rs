//! Logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::cli::{LogArgs, LogFormat};

/// Installs the subscriber. `RUST_LOG` wins over `--log-level`, as it can say more.
///
/// # Errors
/// When the level or `RUST_LOG` cannot be parsed: a sentence for the user.
pub fn install(args: &LogArgs) -> Result<(), String> {
    let (name, directives) = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => ("RUST_LOG", directives),
        Ok(_) | Err(_) => ("--log-level", args.log_level.clone()),
    };
    let filter = EnvFilter::builder().parse(&directives).map_err(|error| {
        format!("{name} {directives:?}: {error}; use error, warn, info, debug or trace")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    match args.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        // The journal stamps each line itself.
        LogFormat::Text if std::env::var_os("JOURNAL_STREAM").is_some() => {
            builder.without_time().init();
        }
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
