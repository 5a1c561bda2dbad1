//! Logs, on standard error.

pub mod confd;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{LogArgs, LogFormat};

/// What we say at `level`, and of the libraries below us no more than warnings.
fn ours(level: LevelFilter) -> EnvFilter {
    let below = level.min(LevelFilter::WARN);
    EnvFilter::new(format!("{below},register={level},renderer={level}"))
}

/// Installs the subscriber. `RUST_LOG` wins over `--log-level`, as it can say more.
///
/// # Errors
/// When the level or `RUST_LOG` cannot be parsed: a sentence for the user.
pub fn install(args: &LogArgs) -> Result<(), String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::builder()
            .parse(&directives)
            .map_err(|error| format!("RUST_LOG {directives:?}: {error}"))?,
        Ok(_) | Err(_) => {
            let level: LevelFilter = args.log_level.parse().map_err(|_| {
                format!(
                    "--log-level {:?}: use error, warn, info, debug or trace",
                    args.log_level
                )
            })?;
            ours(level)
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
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
