//! A report as a page for browsers, which needs nothing but itself. It may be read without its script; with
//! it, it follows what becomes of the process.

mod banners;
mod counts;
mod facts;
mod markup;
mod resources;
mod services;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use self::markup::Text;
use self::spans::Times;
use super::report::{Report, Side};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let (style, script) = (source(STYLE), source(SCRIPT));
    format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
});

/// Its whole Content-Security-Policy: of all styles and scripts only the page's own, by their hashes.
#[must_use]
pub fn policy() -> String {
    POLICY.clone()
}

fn source(text: &str) -> String {
    let hash = STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!("'sha256-{hash}'")
}

/// `wall`: the time of day when the report was made.
#[must_use]
pub fn html(report: &Report, wall: SystemTime) -> String {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    html_of_host(report, wall, &host)
}

/// The same of a host of that name.
#[must_use]
pub fn html_of_host(report: &Report, wall: SystemTime, host: &str) -> String {
    let times = Times::new(report.at, wall);
    let title = title(report, host);
    let header = header(report, host, &times);
    let main = match &report.side {
        Side::Agent(agent) => services::table(&agent.services, &times),
        Side::Proxy(proxy) => resources::table(&proxy.resources, &times),
    };
    format!(
        include_str!("page/page.html"),
        title = title,
        style = STYLE,
        header = header,
        main = main,
        script = SCRIPT,
    )
}

/// What needs somebody comes first: of a tab, little more is seen.
fn title(report: &Report, host: &str) -> String {
    let host = Text(host);
    let worst = match report.etcd.outage {
        Some(_) => Some("etcd away".to_owned()),
        None => counts::worst(&report.side),
    };
    match worst {
        Some(worst) => format!("{worst} – {host} – register"),
        None => format!("{host} – register"),
    }
}

fn header(report: &Report, host: &str, times: &Times) -> String {
    let host = Text(host);
    let role = match report.side {
        Side::Agent(_) => "agent",
        Side::Proxy(_) => "proxy",
    };
    let version = env!("CARGO_PKG_VERSION");
    let uptime = times.since(report.began_at);
    let at = times.of_day(report.at);
    let banners = banners::all(report, times);
    let counts = counts::list(&report.side);
    let facts = facts::list(report, times);
    format!(
        "<h1>{host}</h1>\n\
         <p class=\"who\"><span>register {role} {version}, running for {uptime}</span> \
         <span class=\"at\">as of {at}</span></p>\n\
         {banners}{counts}{facts}"
    )
}
