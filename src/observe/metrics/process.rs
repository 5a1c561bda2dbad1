//! What every process has.

use std::fmt;

use super::super::report::{Report, Side};
use super::sheet::Sheet;

pub(super) fn write(sheet: &mut Sheet, report: &Report, log_lines_dropped: u64) -> fmt::Result {
    let role = match report.side {
        Side::Agent(_) => "agent",
        Side::Proxy(_) => "proxy",
    };
    sheet.info(
        "register_build",
        "Version and role of this process.",
        [("version", env!("CARGO_PKG_VERSION")), ("role", role)],
    )?;
    sheet.gauge(
        "register_uptime_seconds",
        "Time since the process began.",
        report
            .at
            .saturating_duration_since(report.began_at)
            .as_secs_f64(),
    )?;
    sheet.gauge(
        "register_ready",
        "Whether something has become of every service, or of every file, for the first time.",
        u64::from(report.is_ready),
    )?;
    sheet.gauge(
        "register_stopping",
        "Whether the process has been told to stop.",
        u64::from(report.is_stopping),
    )?;
    sheet.counter(
        "register_log_lines_dropped",
        "Log lines lost because standard error was not read.",
        log_lines_dropped,
    )
}
