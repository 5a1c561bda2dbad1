//! A report as metrics, in the text form of OpenMetrics.

use super::report::Report;

#[must_use]
pub fn text(report: &Report, log_lines_dropped: u64) -> String {
    let ready = u8::from(report.is_ready);
    format!(
        "# TYPE register_ready gauge\nregister_ready {ready}\n\
         # TYPE register_log_lines_dropped counter\nregister_log_lines_dropped_total {log_lines_dropped}\n\
         # EOF\n"
    )
}
