//! What resources and templates may say beyond confd's.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::{outcome, render};
use crate::harness::{Confdir, Etcd, Running, SOON, eventually};

/// Twelve changes a second for four seconds; with `LONG_TESTS` fifty for a minute.
#[test]
fn however_often_keys_change_a_daemon_is_reloaded_once_in_its_interval() {
    let is_long = std::env::var_os("LONG_TESTS").is_some();
    let (count, pause, interval, most) = match is_long {
        true => (3_000, 20, 5_000, 13),
        false => (48, 83, 1_000, 5),
    };
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let reload = format!("reload_cmd = \"{}\"", confdir.note("reloads"));
    let fields = format!("keys = [\"/n\"]\n{reload}\nmin_reload_interval = \"{interval}ms\"");
    confdir.add("app.conf", &fields, "{{getv \"/n\" \"\"}}");
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    eventually("the first pass", SOON, || {
        (confdir.count("reloads") == 1)
            .then_some(())
            .ok_or("not yet".to_owned())
    });
    let mut putter = etcd.putter();
    let begun_at = Instant::now();
    for number in 0..count {
        putter.put("/n", &number.to_string());
        let next = begun_at + Duration::from_millis(pause * (number + 1));
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let last = (count - 1).to_string();
    confdir.wait_for("app.conf", &last, Duration::from_millis(interval) + SOON);
    let reloads = confdir.count("reloads");
    assert!((2..=most).contains(&reloads), "{reloads} reloads");
    // The last file has its reload.
    eventually("the last reload", SOON, || {
        let status = confdir.files();
        (!status.iter().any(|name| name.contains("owed")))
            .then_some(())
            .ok_or(format!("{status:?}"))
    });
}

#[test]
fn once_waits_for_no_interval() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let reload = format!("reload_cmd = \"{}\"", confdir.note("reloads"));
    let fields = format!("keys = [\"/n\"]\n{reload}\nmin_reload_interval = \"24h\"");
    confdir.add("app.conf", &fields, "{{getv \"/n\"}}");
    for value in ["1", "2"] {
        etcd.ctl(&["put", "/n", value]);
        let (code, _, errors) = outcome(render(&etcd.url(), &confdir).arg("--once"));
        assert_eq!(code, 0, "{errors}");
        assert_eq!(confdir.read("app.conf").as_deref(), Some(value));
    }
    assert_eq!(confdir.count("reloads"), 2);
}

#[test]
fn what_its_reader_could_not_parse_does_not_replace_a_file() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/n", "1"]);
    let template = "{\"n\": {{getv \"/n\"}}}";
    let fields = "keys = [\"/n\"]\noutput_format = \"json\"";
    let confdir = Confdir::new().with("app.json", fields, template);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.json", "{\"n\": 1}", SOON);
    etcd.ctl(&["put", "/n", "1}, oops"]);
    proxy.wait_for_event_with("resource_failed", "not JSON", SOON);
    assert_eq!(confdir.read("app.json").as_deref(), Some("{\"n\": 1}"));
    etcd.ctl(&["put", "/n", "2"]);
    confdir.wait_for("app.json", "{\"n\": 2}", SOON);
}

#[test]
fn a_format_that_there_is_not_is_a_fault_of_the_resource() {
    let fields = "keys = [\"/n\"]\noutput_format = \"xml\"\ndebounce = \"soon\"";
    let confdir = Confdir::new().with("app.conf", fields, "");
    let mut lint = crate::harness::register();
    let (code, out, errors) = outcome(lint.args(["render", "lint", "--confdir", &confdir.flag()]));
    let told = out + &errors;
    assert_ne!(code, 0);
    for fault in [
        "output_format \"xml\" is none of",
        "debounce \"soon\" is not QUIET[:MAX]",
    ] {
        assert!(told.contains(fault), "{told}");
    }
}

#[test]
fn a_part_that_has_changed_is_read_at_the_next_pass_and_none_is_beside_the_templates() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/n", "1"]);
    let template = "{{include \"part.tmpl\" (getv \"/n\")}}";
    let confdir = Confdir::new().with("app.conf", "keys = [\"/n\"]", template);
    confdir.write("templates/part.tmpl", "<{{.}}>");
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "<1>", SOON);
    confdir.write("templates/part.tmpl", "[{{.}}]");
    proxy.signal(Signal::HUP);
    confdir.wait_for("app.conf", "[1]", SOON);
    // Gone, and beside: the last good file stays.
    confdir.write("secret", "secret");
    confdir.write("templates/app.conf.tmpl", "{{include \"../secret\" .}}");
    proxy.signal(Signal::HUP);
    proxy.wait_for_event_with("resource_failed", "not beneath", SOON);
    assert_eq!(confdir.read("app.conf").as_deref(), Some("[1]"));
}
