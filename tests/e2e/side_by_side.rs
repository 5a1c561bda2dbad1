use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::render;
use crate::harness::{Confdir, Etcd, Running, SOON, eventually, figure, register};

const KEYS: &str = "keys = [\"/services/web\"]";
const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";

/// A command that hangs for as long as its test goes on.
fn hangs(confdir: &Confdir) -> String {
    format!("while test -e {}; do sleep 0.3; done", confdir.flag())
}

/// How long a change may take on a loaded machine, where nothing waits for what hangs.
const AT_ONCE: Duration = Duration::from_secs(3);

/// What ends a command that was killed, besides what it may take.
const BOUND: Duration = Duration::from_secs(3);

fn with_a_server() -> Etcd {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    etcd
}

/// A command that notes that it has begun, in the file `out/NAME`, and goes on as `then` says.
fn noting(confdir: &Confdir, name: &str, then: &str) -> String {
    format!("{}; {then}", confdir.note(name))
}

fn wait_for_lines(confdir: &Confdir, name: &str, lines: usize) {
    let what = format!("{name} has {lines} lines");
    eventually(&what, SOON, || match confdir.count(name) {
        count if count == lines => Ok(()),
        count => Err(count.to_string()),
    });
}

/// Five resources whose `field` is a command that hangs, and a sixth that has none.
fn with_five_that_hang(field: &str) -> Confdir {
    let confdir = Confdir::new().with("sixth.conf", KEYS, SERVERS);
    for number in 0..5 {
        // Commands of their own: one that is shared would make them a group.
        let command = noting(&confdir, &format!("begun{number}"), &hangs(&confdir));
        let fields = format!("{KEYS}\n{field} = \"{command}\"");
        confdir.add(&format!("hung{number}.conf"), &fields, SERVERS);
    }
    confdir
}

fn wait_until_five_hang(confdir: &Confdir) {
    for number in 0..5 {
        wait_for_lines(confdir, &format!("begun{number}"), 1);
    }
}

/// Puts some values, one after the other; the longest that a file took to have one.
fn follows(etcd: &Etcd, confdir: &Confdir, name: &str) {
    let mut putter = etcd.putter();
    let mut longest = Duration::ZERO;
    for value in 2..7 {
        let since = Instant::now();
        putter.put("/services/web/a", &value.to_string());
        confdir.wait_for(name, &format!("server {value};\n"), AT_ONCE);
        longest = longest.max(since.elapsed());
    }
    figure(&format!(
        "{name} beside five that hang: {longest:?} at the longest"
    ));
}

#[test]
fn five_reloads_that_hang_delay_no_sixth_resource() {
    let etcd = with_a_server();
    let confdir = with_five_that_hang("reload_cmd");
    let _proxy = Running::proxy(&etcd.url(), &confdir, &["--kill-timeout", "0s"]);
    wait_until_five_hang(&confdir);
    follows(&etcd, &confdir, "sixth.conf");
    wait_until_five_hang(&confdir);
}

#[test]
fn five_checks_that_hang_delay_no_sixth_resource() {
    let etcd = with_a_server();
    let confdir = with_five_that_hang("check_cmd");
    let _proxy = Running::proxy(&etcd.url(), &confdir, &["--kill-timeout", "0s"]);
    wait_until_five_hang(&confdir);
    follows(&etcd, &confdir, "sixth.conf");
}

#[test]
fn a_resource_that_shares_a_reload_that_hangs_is_done_after_it() {
    let etcd = with_a_server();
    let confdir = Confdir::new();
    confdir.write("goes-on", "");
    let waits = confdir.path("goes-on").display().to_string();
    let waits = format!("while test -e {waits}; do sleep 0.02; done");
    let fields = format!("reload_cmd = \"{}\"", noting(&confdir, "begun", &waits));
    confdir.add("first.conf", &format!("{KEYS}\n{fields}"), SERVERS);
    let other = "{{range getvs \"/services/db/*\"}}server {{.}};\n{{end}}";
    let keys = "keys = [\"/services/db\"]";
    confdir.add("second.conf", &format!("{keys}\n{fields}"), other);
    confdir.add("alone.conf", keys, other);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    wait_for_lines(&confdir, "begun", 1);
    etcd.ctl(&["put", "/services/db/a", "7"]);
    // The one that shares nothing shows that the change has come.
    confdir.wait_for("alone.conf", "server 7;\n", SOON);
    assert_eq!(confdir.read("second.conf").unwrap(), "");
    assert_eq!(confdir.count("begun"), 1);
    std::fs::remove_file(confdir.path("goes-on")).unwrap();
    confdir.wait_for("second.conf", "server 7;\n", SOON);
    wait_for_lines(&confdir, "begun", 2);
}

/// Ends while a reload hangs: how, and how long after SIGTERM.
fn ends(command: &mut Command, confdir: &Confdir) -> (i32, Duration) {
    let mut proxy = Running::spawn(command);
    wait_for_lines(confdir, "begun", 1);
    let since = Instant::now();
    proxy.signal(Signal::TERM);
    (proxy.wait_for_exit(SOON + BOUND), since.elapsed())
}

/// One resource whose reload hangs, as from the first change on where `later`.
fn with_a_reload_that_hangs(later: bool) -> Confdir {
    let confdir = Confdir::new();
    let mut hangs = noting(&confdir, "begun", &hangs(&confdir));
    if later {
        hangs = format!("grep -q changed {{{{.dest}}}} || exit 0; {hangs}");
    }
    let fields = format!("{KEYS}\nreload_cmd = \"{hangs}\"");
    confdir.add("app.conf", &fields, SERVERS);
    confdir
}

fn assert_within(took: Duration, kill_timeout: Duration) {
    assert!(took >= kill_timeout, "{took:?}");
    assert!(took < kill_timeout + BOUND, "{took:?}");
    figure(&format!(
        "ended {took:?} after SIGTERM, where {kill_timeout:?} are allowed"
    ));
}

#[test]
fn sigterm_ends_a_reload_that_hangs_within_the_kill_timeout() {
    let (etcd, confdir) = (with_a_server(), with_a_reload_that_hangs(false));
    let mut command = render(&etcd.url(), &confdir);
    let (code, took) = ends(command.args(["--kill-timeout", "1s"]), &confdir);
    assert_eq!(code, 0);
    assert_within(took, Duration::from_secs(1));
}

#[test]
fn sigterm_ends_the_command_and_a_reload_that_hangs_within_the_kill_timeout() {
    let (etcd, confdir) = (with_a_server(), with_a_reload_that_hangs(true));
    let mut command = render(&etcd.url(), &confdir);
    command.args(["--kill-timeout", "1s", "--", "sh", "-c"]);
    command.arg("trap 'exit 7' TERM; echo started > started; while :; do sleep 0.05; done");
    command.current_dir(confdir.path("out"));
    let mut proxy = Running::spawn(&mut command);
    confdir.wait_for("started", "started\n", SOON);
    etcd.ctl(&["put", "/services/web/a", "changed"]);
    wait_for_lines(&confdir, "begun", 1);
    let since = Instant::now();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON + BOUND), 7);
    assert_within(since.elapsed(), Duration::from_secs(1));
}

/// confd has no flag for it: the default counts.
#[test]
fn sigterm_ends_confd_though_a_reload_hangs() {
    let (etcd, confdir) = (with_a_server(), with_a_reload_that_hangs(false));
    let mut command = register();
    command.args([
        "confd",
        "-watch",
        "-node",
        &etcd.url(),
        "-confdir",
        &confdir.flag(),
    ]);
    let (code, took) = ends(&mut command, &confdir);
    assert_eq!(code, 0);
    assert_within(took, Duration::from_secs(10));
}

#[test]
fn a_reload_that_ends_within_the_kill_timeout_is_let_finish() {
    let etcd = with_a_server();
    let confdir = Confdir::new();
    let fields = format!(
        "{KEYS}\nreload_cmd = \"{}; sleep 1; {}\"",
        confdir.note("begun"),
        confdir.note("ended")
    );
    confdir.add("app.conf", &fields, SERVERS);
    let (code, _) = ends(&mut render(&etcd.url(), &confdir), &confdir);
    assert_eq!(code, 0);
    assert_eq!(confdir.count("ended"), 1);
    // Nothing is owed.
    assert_eq!(confdir.files(), ["app.conf", "begun", "ended"]);
}

#[test]
fn a_reload_that_was_killed_is_owed_and_run_by_the_next_start() {
    let etcd = with_a_server();
    let confdir = Confdir::new();
    confdir.write("hangs", "");
    let hangs = confdir.path("hangs").display().to_string();
    let then = format!(
        "while test -e {hangs}; do sleep 0.3; done; {}",
        confdir.note("ended")
    );
    let fields = format!(
        "{KEYS}\nreload_cmd = \"{}\"",
        noting(&confdir, "begun", &then)
    );
    confdir.add("app.conf", &fields, SERVERS);
    let mut command = render(&etcd.url(), &confdir);
    command.args(["--kill-timeout", "100ms"]);
    assert_eq!(ends(&mut command, &confdir).0, 0);
    std::fs::remove_file(confdir.path("hangs")).unwrap();
    let _next = Running::spawn(&mut command);
    wait_for_lines(&confdir, "ended", 1);
}

#[test]
fn a_second_sigterm_leaves_at_once_though_a_reload_hangs() {
    let (etcd, confdir) = (with_a_server(), with_a_reload_that_hangs(false));
    let mut proxy = Running::proxy(&etcd.url(), &confdir, &["--kill-timeout", "1h"]);
    wait_for_lines(&confdir, "begun", 1);
    proxy.signal(Signal::TERM);
    proxy.wait_for_event("stopping", SOON);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(AT_ONCE), 128 + 15);
    assert_eq!(proxy.said("second_signal"), 1, "{}", proxy.log());
}
