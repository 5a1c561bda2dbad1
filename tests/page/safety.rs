use register::observe::report::{OutageReport, Side};

use crate::browser::Browser;
use crate::site::Site;
use crate::{eventually, samples};

const MARKUP: &str = "</td></table></main><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\"&amp;";

fn hostile() -> register::observe::report::Report {
    let mut report = samples::agent();
    report.etcd.endpoint = Some(MARKUP.to_owned());
    report.etcd.outage = Some(OutageReport {
        since: report.at,
        reason: MARKUP.to_owned(),
    });
    if let Side::Agent(agent) = &mut report.side {
        for service in &mut agent.services {
            MARKUP.clone_into(&mut service.name);
            service.key = format!("/services/{MARKUP}");
            if let Some(probe) = &mut service.probe {
                MARKUP.clone_into(&mut probe.reason);
            }
        }
    }
    report
}

#[test]
fn values_that_are_markup_stay_text_at_first_and_after_updates() {
    let site = Site::new(hostile());
    let browser = Browser::open(&site.url());
    for round in 0..2 {
        let asked = site.asked();
        let elements =
            browser.number("document.querySelectorAll('img, main script, header script').length");
        assert_eq!(elements, 0.0, "in round {round}");
        assert!(browser.text("document.title").contains("etcd away"));
        let names = "document.querySelector('tbody th').firstChild.textContent";
        assert_eq!(browser.text(names), MARKUP);
        assert_eq!(
            browser.number("document.querySelectorAll('tbody tr').length"),
            6.0
        );
        eventually("it is asked again", || site.asked(), |now| *now > asked);
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_style_or_script_that_is_not_the_page_s_is_not_used() {
    let site = Site::new(samples::agent());
    let browser = Browser::open(&site.url());
    browser.run(
        "const script = document.createElement('script'); script.textContent = 'document.title = \"owned\"';\
         document.body.append(script); document.body.setAttribute('style', 'color: rgb(1, 2, 3)');",
    );
    assert!(!browser.text("document.title").contains("owned"));
    let colour = browser.text("getComputedStyle(document.body).color");
    assert_ne!(colour, "rgb(1, 2, 3)");
    let complaints = browser.complaints();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
}

#[test]
fn all_is_there_without_scripts() {
    let site = Site::new(samples::agent());
    let browser = Browser::without_scripts(&site.url());
    let text = browser.visible_text("body");
    for words in [
        "web-1.example.net",
        "this page does not update itself: load it again",
        "redis",
        "connection refused",
        "s left of 30s",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains("Filter"), "{text}");
}
