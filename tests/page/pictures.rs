use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use register::observe::report::{OutageReport, Report};

use crate::browser::Browser;
use crate::site::Site;
use crate::{eventually, samples};

fn away() -> Report {
    let mut report = samples::agent();
    report.etcd.endpoint = None;
    report.etcd.outage = Some(OutageReport {
        since: report.at - Duration::from_secs(11),
        reason: "connect to 10.0.0.1:2379: connection refused".to_owned(),
    });
    report
}

/// What is seen once nobody answers any more.
fn lose(site: Site, browser: &Browser) {
    drop(site);
    let is_told = || browser.number("Number(!document.getElementById('lost').hidden)");
    eventually("it is told", is_told, |told| *told == 1.0);
}

/// `agent.png` is the one of the documentation: `make picture`.
#[test]
fn pictures_are_taken() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page");
    fs::create_dir_all(&directory).unwrap();
    let table = [
        ("agent", samples::agent(), "light", 1200),
        ("dark", samples::agent(), "dark", 1200),
        ("proxy", samples::proxy(), "light", 1200),
        ("away", away(), "light", 1200),
        ("away-dark", away(), "dark", 1200),
        ("gone", samples::agent(), "light", 1200),
        ("narrow", samples::agent(), "light", 360),
        ("narrow-proxy", samples::proxy(), "dark", 360),
    ];
    for (name, report, scheme, width) in table {
        let site = Site::new(report);
        let browser = Browser::open(&site.url());
        browser.size(width, 700);
        browser.colours(scheme);
        if name == "gone" {
            lose(site, &browser);
        }
        let picture = STANDARD.decode(browser.picture(width)).unwrap();
        assert!(picture.len() < 200_000, "{name}: {} bytes", picture.len());
        fs::write(directory.join(name).with_extension("png"), picture).unwrap();
    }
}
