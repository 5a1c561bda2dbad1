use register::observe::report::{OutageReport, Report, Side};
use register::registration::Status;

use crate::browser::Browser;
use crate::samples;
use crate::site::Site;

/// Names that cannot be broken where words end, and all that may be said.
fn verbose() -> Report {
    let mut report = samples::agent();
    let long = "x".repeat(200);
    report.etcd.outage = Some(OutageReport {
        since: report.at,
        reason: long.clone(),
    });
    report.is_ready = false;
    if let Side::Agent(agent) = &mut report.side {
        agent.without_address = 3;
        let service = &mut agent.services[0];
        service.key = format!("/services/{long}");
        service.name = long;
        agent.services[1].status = Status::Pending;
        agent.services[3].status = Status::Starting;
    }
    report
}

#[test]
fn nothing_is_cut_off_or_scrolled_sideways_at_any_width() {
    for report in [samples::agent(), samples::proxy(), verbose()] {
        let site = Site::new(report);
        let browser = Browser::open(&site.url());
        for width in [320, 360, 600, 800, 801, 1024, 1280, 1920] {
            browser.size(width, 740);
            let offenders = browser.text(
                "[...document.querySelectorAll('html, body *')].filter((one) =>\
                 one.getBoundingClientRect().right > innerWidth + 0.5\
                 || one === document.documentElement && one.scrollWidth > innerWidth)\
                 .map((one) => one.outerHTML.slice(0, 99))",
            );
            assert_eq!(offenders, "", "at {width} pixels");
        }
    }
}

/// By the formula of WCAG 2: what each piece of text has against what it is on.
const LEAST_CONTRAST: &str = "\
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (one) => {
        const colour = channels(getComputedStyle(one).backgroundColor);
        return colour.length === 4 && colour[3] === 0 ? ground(one.parentElement) : colour;
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let least = [21, ''];
    while (texts.nextNode()) {
        const one = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || ['SCRIPT', 'NOSCRIPT'].includes(one.tagName)) continue;
        const [a, b] = [light(channels(getComputedStyle(one).color)), light(ground(one))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < least[0]) least = [contrast, one.outerHTML.slice(0, 99)];
    }
    return least;";

#[test]
fn all_text_stands_out_by_light_and_by_dark() {
    for report in [samples::proxy(), verbose()] {
        let site = Site::new(report);
        let browser = Browser::open(&site.url());
        let mut papers = Vec::new();
        for scheme in ["light", "dark"] {
            browser.colours(scheme);
            let least = browser.run(LEAST_CONTRAST);
            assert!(least[0].as_f64().unwrap() >= 4.5, "{scheme}: {least}");
            papers.push(browser.text("getComputedStyle(document.body).backgroundColor"));
        }
        assert_ne!(papers[0], papers[1]);
    }
}

#[test]
fn tables_stay_tables_for_screen_readers_also_as_cards() {
    let site = Site::new(samples::proxy());
    let browser = Browser::open(&site.url());
    browser.size(360, 740);
    assert_eq!(browser.text("document.documentElement.lang"), "en");
    assert_eq!(
        browser.number("document.querySelectorAll('th:not([scope])').length"),
        0.0
    );
    assert_eq!(
        browser.text("document.querySelector('table').getAttribute('role')"),
        "table"
    );
    let unnamed =
        "[...document.querySelectorAll('td')].filter((one) => !one.dataset.column).length";
    assert_eq!(browser.number(unnamed), 0.0);
    // A word beside each colour.
    let silent = "[...document.querySelectorAll('.mark')].filter((one) => !one.textContent).length";
    assert_eq!(browser.number(silent), 0.0);
}
