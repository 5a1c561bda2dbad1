//! A report as metrics. Labels are what the configuration names, and a few fixed words: never anything that
//! was read from etcd.

mod agent;
mod etcd;
mod process;
mod proxy;
mod sheet;
#[cfg(test)]
mod tests;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use self::sheet::Sheet;
use super::report::{Report, Side};

/// In the text form of OpenMetrics 1.0.
#[must_use]
pub fn text(report: &Report, log_lines_dropped: u64) -> String {
    write(report, log_lines_dropped, text::encode)
}

/// In Prometheus' own text form, which its tools and older readers take: the same metrics.
#[must_use]
pub fn prometheus_text(report: &Report, log_lines_dropped: u64) -> String {
    write(report, log_lines_dropped, prometheus_text::encode)
}

type Encode = fn(&mut String, &Registry) -> fmt::Result;

#[expect(
    clippy::expect_used,
    reason = "a string takes all that is written to it"
)]
fn write(report: &Report, log_lines_dropped: u64, encode: Encode) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics {
        report: report.clone(),
        log_lines_dropped,
    }));
    let mut text = String::new();
    encode(&mut text, &registry).expect("written");
    text
}

#[derive(Debug)]
struct Metrics {
    report: Report,
    log_lines_dropped: u64,
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        let report = &self.report;
        process::write(&mut sheet, report, self.log_lines_dropped)?;
        etcd::write(&mut sheet, &report.etcd, report.at)?;
        match &report.side {
            Side::Agent(agent) => agent::write(&mut sheet, agent, report.at),
            Side::Proxy(proxy) => proxy::write(&mut sheet, proxy, report.at),
        }
    }
}
