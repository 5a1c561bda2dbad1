use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::access::{etcd_with_users, with_users};
use crate::harness::running::{outcome, render};
use crate::harness::{Confdir, Etcd, Logged, Running, SOON, Wire, eventually, figure, register};

const WEB: &str = "keys = [\"/services/web\"]";
const WEB_SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
const DB: &str = "keys = [\"/services/db\"]";
const DB_SERVERS: &str = "{{range getvs \"/services/db/*\"}}server {{.}};\n{{end}}";
const USER: [&str; 2] = ["--user", "web:sesame"];

/// How often the proxy side tries again by itself what it may not read.
const RECHECK: Duration = Duration::from_secs(30);

fn role(etcd: &Etcd, does: &str, more: &[&str]) {
    etcd.ctl(&[&["role", does, "web"][..], more].concat());
}

fn allow(etcd: &Etcd, prefix: &str) {
    role(etcd, "grant-permission", &["--prefix=true", "read", prefix]);
}

fn forbid(etcd: &Etcd, prefix: &str) {
    role(etcd, "revoke-permission", &["--prefix=true", prefix]);
}

/// A key of each of two services, of which `web` may be read, and a resource for each.
fn two_services() -> (Etcd, Confdir) {
    two_services_in(etcd_with_users())
}

fn two_services_in(etcd: Etcd) -> (Etcd, Confdir) {
    etcd.ctl(&["put", "/services/web/a", "1"]);
    etcd.ctl(&["put", "/services/db/a", "1"]);
    let confdir = Confdir::new()
        .with("web.conf", WEB, WEB_SERVERS)
        .with("db.conf", DB, DB_SERVERS);
    (etcd, confdir)
}

fn put(etcd: &Etcd, confdir: &Confdir, service: &str, value: &str) {
    etcd.ctl(&["put", &format!("/services/{service}/a"), value]);
    confdir.wait_for(
        &format!("{service}.conf"),
        &format!("server {value};\n"),
        SOON,
    );
}

/// Waits until the log says which file fails, and which tree may not be read for it.
fn wait_until_denied(proxy: &Running, confdir: &Confdir, name: &str, tree: &str) {
    proxy.wait_for_event_with("resource_failed", &format!("read {tree}"), SOON);
    let named = denials(&proxy.log(), confdir, name, tree);
    assert_eq!(named, 1, "{}", proxy.log());
}

/// How often a log says so.
fn denials(log: &str, confdir: &Confdir, name: &str, tree: &str) -> usize {
    let dest = confdir.dest(name).display().to_string();
    let mut failures = Logged::of(log, "resource_failed");
    failures.retain(|line| line.tells(&dest) && line.tells(&format!("read {tree}")));
    failures.len()
}

#[test]
fn a_denied_tree_fails_its_own_resources_by_name_and_once_and_the_others_follow() {
    let (etcd, confdir) = two_services();
    let both = "keys = [\"/services/web\", \"/services/db\"]";
    confdir.add("both.conf", both, WEB_SERVERS);
    let flags = [&USER[..], &["--interval", "200ms"]].concat();
    let proxy = Running::proxy(&etcd.url(), &confdir, &flags);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    wait_until_denied(&proxy, &confdir, "both.conf", "/services/db");
    put(&etcd, &confdir, "web", "2");
    // What the interval repairs shows that more passes have gone by.
    for _ in 0..3 {
        confdir.write("out/web.conf", "somebody else's\n");
        confdir.wait_for("web.conf", "server 2;\n", SOON);
    }
    assert_eq!(proxy.said("resource_failed"), 2, "{}", proxy.log());
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
    assert_eq!(confdir.files(), ["web.conf"]);
}

#[test]
fn a_resource_that_a_hangup_adds_and_that_may_not_read_disturbs_no_other() {
    let (etcd, confdir) = two_services();
    let wire = Wire::to(etcd.address());
    std::fs::remove_file(confdir.path("conf.d/db.conf.toml")).unwrap();
    let proxy = Running::proxy(&wire.url(), &confdir, &USER);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    confdir.add("db.conf", DB, DB_SERVERS);
    proxy.signal(Signal::HUP);
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    put(&etcd, &confdir, "web", "2");
    proxy.signal(Signal::HUP);
    put(&etcd, &confdir, "web", "3");
    assert_eq!(proxy.said("resource_failed"), 1, "{}", proxy.log());
    assert_eq!(wire.connections(), 1, "{}", proxy.log());
}

#[test]
fn after_a_reconnect_with_a_narrowed_role_what_is_left_is_followed_and_the_rest_is_named() {
    let (etcd, confdir) = two_services();
    allow(&etcd, "/services/db/");
    let wire = Wire::to(etcd.address());
    let proxy = Running::proxy(&wire.url(), &confdir, &USER);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    confdir.wait_for("db.conf", "server 1;\n", SOON);
    forbid(&etcd, "/services/db/");
    wire.cut();
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    put(&etcd, &confdir, "web", "2");
    assert_eq!(confdir.read("db.conf").unwrap(), "server 1;\n", "it stays");

    wire.cut();
    put(&etcd, &confdir, "web", "3");
    assert_eq!(proxy.said("resource_failed"), 1, "{}", proxy.log());
    allow(&etcd, "/services/db/");
    proxy.signal(Signal::HUP);
    put(&etcd, &confdir, "db", "4");
    proxy.wait_for_event("resource_recovered", SOON);
    put(&etcd, &confdir, "web", "5");
}

#[test]
fn a_role_that_is_narrowed_from_a_prefix_to_what_lies_below_goes_on_being_enough() {
    let (etcd, confdir) = two_services();
    std::fs::remove_file(confdir.path("conf.d/db.conf.toml")).unwrap();
    forbid(&etcd, "/services/web/");
    allow(&etcd, "/services/web");
    let wire = Wire::to(etcd.address());
    let proxy = Running::proxy(&wire.url(), &confdir, &USER);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    allow(&etcd, "/services/web/");
    forbid(&etcd, "/services/web");
    put(&etcd, &confdir, "web", "2");
    wire.cut();
    put(&etcd, &confdir, "web", "3");
    wire.cut();
    put(&etcd, &confdir, "web", "4");
    assert_eq!(proxy.said("resource_failed"), 0, "{}", proxy.log());
}

/// Puts often enough for the connection never to be silent.
fn while_it_is_busy(etcd: &Etcd, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for count in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                etcd.ctl(&["put", "/services/web/busy", &count.to_string()]);
                thread::sleep(Duration::from_millis(500));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_role_that_is_widened_is_noticed_at_a_hangup_at_once() {
    let (etcd, confdir) = two_services();
    let proxy = Running::proxy(&etcd.url(), &confdir, &USER);
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    while_it_is_busy(&etcd, || {
        allow(&etcd, "/services/db/");
        proxy.signal(Signal::HUP);
        confdir.wait_for("db.conf", "server 1;\n", SOON);
    });
    proxy.wait_for_event("resource_recovered", SOON);
    put(&etcd, &confdir, "db", "2");
}

#[test]
fn a_role_that_is_widened_is_noticed_soon_where_that_makes_our_login_useless() {
    let (etcd, confdir) = two_services_in(with_users(Etcd::start_with_signed_tokens()));
    let proxy = Running::proxy(&etcd.url(), &confdir, &USER);
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    let since = Instant::now();
    allow(&etcd, "/services/db/");
    confdir.wait_for("db.conf", "server 1;\n", SOON);
    figure(&format!(
        "widened role, noticed after {:?}",
        since.elapsed()
    ));
    put(&etcd, &confdir, "web", "2");
    put(&etcd, &confdir, "db", "2");
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
}

#[test]
fn a_role_that_is_widened_is_noticed_in_time_though_the_connection_is_never_silent() {
    let (etcd, confdir) = two_services();
    let proxy = Running::proxy(&etcd.url(), &confdir, &USER);
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    while_it_is_busy(&etcd, || {
        allow(&etcd, "/services/db/");
        confdir.wait_for("db.conf", "server 1;\n", RECHECK + SOON);
    });
    put(&etcd, &confdir, "db", "2");
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
}

const ALL: &str = "keys = [\"/\"]";
const ALL_SERVICES: &str = "{{range ls \"/services\"}}{{.}}\n{{end}}";

#[test]
fn a_denied_tree_takes_nothing_from_one_that_lies_in_it() {
    let (etcd, confdir) = two_services();
    confdir.add("all.conf", ALL, ALL_SERVICES);
    let flags = [&USER[..], &["--log-level", "debug"]].concat();
    let proxy = Running::proxy(&etcd.url(), &confdir, &flags);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    wait_until_denied(&proxy, &confdir, "all.conf", "/");
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    // What may not be read is asked for again, and refused again.
    let read = proxy.said("keys_read");
    proxy.signal(Signal::HUP);
    eventually("it was tried again", SOON, || {
        let now = proxy.said("keys_read");
        if now > read { Ok(()) } else { Err(proxy.log()) }
    });
    etcd.ctl(&["put", "/services/web/b", "2"]);
    confdir.wait_for("web.conf", "server 1;\nserver 2;\n", SOON);
    assert_eq!(proxy.said("resource_failed"), 2, "{}", proxy.log());
}

#[test]
fn a_tree_that_may_be_read_at_last_is_read_with_those_that_lie_in_it() {
    let (etcd, confdir) = two_services();
    confdir.add("all.conf", ALL, ALL_SERVICES);
    let proxy = Running::proxy(&etcd.url(), &confdir, &USER);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    wait_until_denied(&proxy, &confdir, "all.conf", "/");
    allow(&etcd, "");
    proxy.signal(Signal::HUP);
    confdir.wait_for("all.conf", "db\nweb\n", SOON);
    put(&etcd, &confdir, "db", "3");
    put(&etcd, &confdir, "web", "4");
    etcd.ctl(&["put", "/services/new/a", "1"]);
    confdir.wait_for("all.conf", "db\nnew\nweb\n", SOON);
}

#[test]
fn of_a_tree_that_may_not_be_read_any_more_those_that_lie_in_it_are_followed_on() {
    let (etcd, confdir) = two_services();
    confdir.add("all.conf", ALL, ALL_SERVICES);
    allow(&etcd, "/");
    let wire = Wire::to(etcd.address());
    let proxy = Running::proxy(&wire.url(), &confdir, &USER);
    confdir.wait_for("all.conf", "db\nweb\n", SOON);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    forbid(&etcd, "/");
    wire.cut();
    wait_until_denied(&proxy, &confdir, "all.conf", "/");
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    put(&etcd, &confdir, "web", "2");
    assert_eq!(confdir.read("all.conf").unwrap(), "db\nweb\n", "it stays");
}

#[test]
fn the_command_is_held_back_while_a_tree_may_not_be_read() {
    let (etcd, confdir) = two_services();
    let mut command = render(&etcd.url(), &confdir);
    command.args(USER).args(["--", "sh", "-c"]);
    command.arg("cat web.conf db.conf > seen; sleep 60");
    let proxy = Running::spawn(command.current_dir(confdir.path("out")));
    proxy.wait_for_event("command_held_back", SOON);
    wait_until_denied(&proxy, &confdir, "db.conf", "/services/db");
    put(&etcd, &confdir, "web", "2");
    assert_eq!(confdir.read("seen"), None);
    allow(&etcd, "/services/db/");
    proxy.signal(Signal::HUP);
    confdir.wait_for("seen", "server 2;\nserver 1;\n", SOON);
}

#[test]
fn one_pass_does_what_it_may_read_and_exits_1() {
    let (etcd, confdir) = two_services();
    let mut command = render(&etcd.url(), &confdir);
    command.args(["--once", "--log-format", "json"]).args(USER);
    let (code, stdout, stderr) = outcome(&mut command);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert_eq!(confdir.read("web.conf").unwrap(), "server 1;\n");
    assert_eq!(confdir.read("db.conf"), None);
    assert_eq!(denials(&stderr, &confdir, "db.conf", "/services/db"), 1);
    assert_eq!(Logged::of(&stderr, "resource_failed").len(), 1, "{stderr}");
}

#[test]
fn one_pass_of_confd_does_what_it_may_read_and_exits_1() {
    let (etcd, confdir) = two_services();
    let mut command = register();
    command
        .args(["confd", "-onetime", "-backend", "etcdv3", "-basic-auth"])
        .args(["-username", "web", "-password", "sesame"])
        .args(["-node", &etcd.url(), "-confdir", &confdir.flag()])
        .args(["-config-file", "/does/not/exist"]);
    let (code, _, stderr) = outcome(&mut command);
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(confdir.read("web.conf").unwrap(), "server 1;\n");
    let mut errors = stderr.lines().filter(|line| line.contains(" ERROR "));
    let denied = errors.next().unwrap_or_default();
    assert!(
        denied.ends_with("permission denied to read /services/db/"),
        "{stderr}"
    );
    assert_eq!(errors.next(), None, "{stderr}");
}

#[test]
fn a_role_that_loses_everything_later_is_waited_for() {
    let (etcd, confdir) = two_services();
    std::fs::remove_file(confdir.path("conf.d/db.conf.toml")).unwrap();
    let wire = Wire::to(etcd.address());
    let mut proxy = Running::proxy(&wire.url(), &confdir, &USER);
    confdir.wait_for("web.conf", "server 1;\n", SOON);
    forbid(&etcd, "/services/web/");
    wire.cut();
    wait_until_denied(&proxy, &confdir, "web.conf", "/services/web");
    etcd.ctl(&["put", "/services/web/a", "2"]);
    assert_eq!(confdir.read("web.conf").unwrap(), "server 1;\n", "it stays");
    assert_eq!(proxy.try_wait(), None, "{}", proxy.log());
    allow(&etcd, "/services/web/");
    proxy.signal(Signal::HUP);
    confdir.wait_for("web.conf", "server 2;\n", SOON);
    proxy.wait_for_event("resource_recovered", SOON);
    assert_eq!(proxy.said("resource_failed"), 1, "{}", proxy.log());
    assert!(proxy.said("etcd_lost") <= 2, "{}", proxy.log());
}

#[test]
fn where_nothing_may_be_read_at_the_start_it_exits_3() {
    let (etcd, confdir) = two_services();
    forbid(&etcd, "/services/web/");
    for flags in [&[][..], &["--once"]] {
        let flags = [&USER[..], flags].concat();
        let mut proxy = Running::proxy(&etcd.url(), &confdir, &flags);
        assert_eq!(proxy.wait_for_exit(SOON), 3, "{}", proxy.log());
        let log = proxy.log();
        assert!(
            log.contains("permission denied to read /services/"),
            "{log}"
        );
    }
    assert!(confdir.files().is_empty());
}
