use std::time::Duration;

use register::health::Verdict;
use register::observe::report::{OutageReport, Report, ServiceReport, Side};
use register::registration::Status;

use crate::browser::Browser;
use crate::site::Site;
use crate::{eventually, samples};

fn services(report: &mut Report) -> &mut Vec<ServiceReport> {
    match &mut report.side {
        Side::Agent(agent) => &mut agent.services,
        Side::Proxy(_) => panic!("an agent"),
    }
}

#[test]
fn the_page_follows_the_process_by_itself() {
    let site = Site::new(samples::agent());
    let browser = Browser::open(&site.url());
    let state = "document.querySelector('tbody tr .mark').textContent";
    assert_eq!(browser.text(state), "unhealthy");
    site.change(|report| {
        let redis = &mut services(report)[4];
        (redis.status, redis.verdict) = (Status::Registered, Some(Verdict::Up));
    });
    eventually(
        "the next is first",
        || browser.text(state),
        |text| text == "displaced",
    );
    eventually(
        "so is the title",
        || browser.text("document.title"),
        |text| text.starts_with("1 displaced"),
    );
    site.change(|report| {
        report.etcd.outage = Some(OutageReport {
            since: report.at - Duration::from_secs(5),
            reason: "connection refused".to_owned(),
        });
    });
    let banner = "document.querySelector('header .banner')?.textContent";
    eventually(
        "etcd is away",
        || browser.text(banner),
        |text| text.contains("connection refused"),
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_reader_s_place_filter_and_selection_stay() {
    let site = Site::new(samples::crowd(1_000));
    let browser = Browser::open(&site.url());
    assert!(
        browser
            .text("document.querySelector('.counts').textContent")
            .contains("1,000 services")
    );
    browser.type_into("#filter input", "app-09 registered");
    let shown = "document.querySelector('#filter output').textContent";
    assert_eq!(browser.text(shown), "80 of 1000 shown");
    browser.run("scrollTo(0, 300)");
    let place = browser.number("scrollY");
    assert!(place > 0.0);
    site.change(|report| services(report).truncate(999));
    eventually(
        "it is up to date",
        || browser.text(shown),
        |text| text == "79 of 999 shown",
    );
    assert_eq!(browser.number("scrollY"), place);
    assert_eq!(browser.text("document.activeElement.tagName"), "INPUT");

    browser
        .run("getSelection().selectAllChildren(document.querySelector('tbody tr:not([hidden])'))");
    let selected = browser.text("getSelection()");
    site.change(|report| services(report).truncate(998));
    let asked = site.asked();
    eventually("it is asked again", || site.asked(), |now| *now > asked + 1);
    assert_eq!(browser.text("getSelection()"), selected);
    browser.run("getSelection().empty()");
    eventually(
        "it goes on",
        || browser.text(shown),
        |text| text.ends_with(" of 998 shown"),
    );
}

#[test]
fn a_thousand_services_do_not_make_the_page_sluggish() {
    let site = Site::new(samples::crowd(1_000));
    let browser = Browser::open(&site.url());
    let took = browser.number(
        "(() => { const begun = performance.now(); const input = document.querySelector('#filter input');\
         input.value = 'app-0042'; input.dispatchEvent(new Event('input'));\
         document.body.getBoundingClientRect(); return performance.now() - begun; })()",
    );
    assert!(took < 1_000.0, "{took} ms");
    let visible = "document.querySelectorAll('tbody tr:not([hidden])').length";
    assert_eq!(browser.number(visible), 1.0);
}

#[test]
fn a_process_that_is_gone_is_told_and_so_is_its_return() {
    let site = Site::new(samples::agent());
    let address = site.address();
    let browser = Browser::open(&site.url());
    let lost = "document.getElementById('lost').textContent";
    assert_eq!(browser.text(lost), "");
    drop(site);
    eventually(
        "it is gone",
        || browser.text(lost),
        |text| text.contains("nobody listens there"),
    );
    let told = browser.visible_text("#lost");
    assert!(told.contains("This is how things were at 20"), "{told}");
    // What was known last is still to be read.
    assert!(browser.visible_text("main").contains("redis"));
    let site = Site::at(address, samples::agent());
    eventually("it is back", || browser.text(lost), String::is_empty);
    site.be_silent(true);
    eventually(
        "it is silent",
        || browser.text(lost),
        |text| text.contains("the process does not answer"),
    );
}

#[test]
fn nothing_is_asked_while_the_page_is_hidden() {
    let site = Site::new(samples::agent());
    let browser = Browser::open(&site.url());
    let hide = |is_hidden: bool| {
        browser.run(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }});\
             document.dispatchEvent(new Event('visibilitychange'));"
        ));
    };
    let asked = site.asked();
    eventually("it is asked", || site.asked(), |now| *now > asked);
    hide(true);
    let asked = site.asked();
    // Two turns and a half of its own clock.
    browser.run("return new Promise((done) => setTimeout(done, 5000))");
    assert!(site.asked() <= asked + 1, "one may have been under way");
    hide(false);
    eventually("it is asked at once", || site.asked(), |now| *now > asked);
}
