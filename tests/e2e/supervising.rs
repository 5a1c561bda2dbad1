use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::rights::{own_processes, wrapped};
use crate::harness::running::{children_of, render};
use crate::harness::{Confdir, Etcd, Nginx, Running, SOON, eventually, register};

const KEYS: &str = "keys = [\"/services/web\"]";
const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";

/// Notes what it is told, and ends with 7 on SIGTERM.
const CHILD: &str = "trap 'echo hup >> log' HUP; trap 'echo usr1 >> log' USR1; \
    trap 'echo term >> log; exit 7' TERM; echo started >> log; \
    while :; do sleep 0.05; done";

fn with_a_server() -> (Etcd, Confdir) {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    (etcd, Confdir::new().with("app.conf", KEYS, SERVERS))
}

/// `register render FLAGS -- sh -c SCRIPT`, in `out`.
fn supervise(url: &str, confdir: &Confdir, flags: &[&str], script: &str) -> Running {
    let mut command = render(url, confdir);
    command.args(flags).args(["--", "sh", "-c", script]);
    Running::spawn(command.current_dir(confdir.path("out")))
}

fn wait_for_line(confdir: &Confdir, line: &str) {
    eventually(&format!("the command noted {line}"), SOON, || {
        let log = confdir.read("log").unwrap_or_default();
        if log.lines().any(|found| found == line) {
            Ok(())
        } else {
            Err(log)
        }
    });
}

#[test]
fn the_command_starts_once_the_files_are_good() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!(
        "{KEYS}\nrequire = [\"/services/web/*\"]\nreload_cmd = \"echo reload >> {}\"",
        confdir.dest("log").display()
    );
    confdir.add("app.conf", &fields, SERVERS);
    let proxy = supervise(
        &etcd.url(),
        &confdir,
        &[],
        "cat app.conf > seen; echo started >> log; sleep 60",
    );
    proxy.wait_for_event("command_held_back", SOON);
    assert_eq!(confdir.read("log"), None);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    wait_for_line(&confdir, "started");
    confdir.wait_for("seen", "server 1;\n", SOON);
    etcd.ctl(&["put", "/services/web/a", "2"]);
    wait_for_line(&confdir, "reload");
    assert_eq!(confdir.read("log").unwrap(), "started\nreload\n");
}

#[test]
fn the_command_gets_the_limit_of_open_files_that_we_were_given() {
    let (etcd, confdir) = with_a_server();
    let mut command = render(&etcd.url(), &confdir);
    command.args(["--", "sh", "-c", "ulimit -S -n > limit; sleep 60"]);
    command.current_dir(confdir.path("out"));
    let limited = ["sh", "-c", "ulimit -S -n 50 && exec \"$@\"", "sh"];
    let _proxy = Running::spawn(&mut wrapped(&limited, &command));
    confdir.wait_for("limit", "50\n", SOON);
}

#[test]
fn the_commands_end_is_ours() {
    let (etcd, confdir) = with_a_server();
    let mut proxy = supervise(&etcd.url(), &confdir, &[], "exit 5");
    assert_eq!(proxy.wait_for_exit(SOON), 5);
    let mut proxy = supervise(&etcd.url(), &confdir, &[], "kill -9 $$");
    assert_eq!(proxy.wait_for_exit(SOON), 137);
}

#[test]
fn a_command_that_cannot_be_run_is_named() {
    let (etcd, confdir) = with_a_server();
    let mut command = render(&etcd.url(), &confdir);
    let mut proxy = Running::spawn(command.args(["--", "/does/not/exist"]));
    assert_eq!(proxy.wait_for_exit(SOON), 1);
    assert!(proxy.log().contains("/does/not/exist"), "{}", proxy.log());
}

#[test]
fn sigterm_asks_the_command_to_stop_and_passes_its_exit_code_on() {
    let (etcd, confdir) = with_a_server();
    let mut proxy = supervise(&etcd.url(), &confdir, &[], CHILD);
    wait_for_line(&confdir, "started");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 7);
    assert_eq!(confdir.read("log").unwrap(), "started\nterm\n");
}

#[test]
fn the_stop_signal_can_be_chosen() {
    let (etcd, confdir) = with_a_server();
    let script = "trap 'exit 9' QUIT; echo started >> log; while :; do sleep 0.05; done";
    let mut proxy = supervise(&etcd.url(), &confdir, &["--stop-signal", "QUIT"], script);
    wait_for_line(&confdir, "started");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 9);
}

#[test]
fn a_command_that_ignores_the_stop_signal_is_killed_in_time() {
    let (etcd, confdir) = with_a_server();
    let script = "trap '' TERM; echo started >> log; while :; do sleep 0.05; done";
    let mut proxy = supervise(&etcd.url(), &confdir, &["--kill-timeout", "200ms"], script);
    wait_for_line(&confdir, "started");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 137);
}

#[test]
fn a_command_that_left_its_process_group_is_killed_all_the_same() {
    let (etcd, confdir) = with_a_server();
    // It moves to the group of a child of its own.
    let script = r#"
        $SIG{TERM} = 'IGNORE';
        my $child = fork;
        if (!$child) { sleep 60; exit }
        setpgrp($child, $child) && setpgrp(0, $child) or die;
        open(my $log, '>', 'log'); print $log "started\n"; close $log;
        sleep 60;
    "#;
    let mut command = render(&etcd.url(), &confdir);
    command.args(["--kill-timeout", "100ms", "--", "perl", "-e", script]);
    let mut proxy = Running::spawn(command.current_dir(confdir.path("out")));
    wait_for_line(&confdir, "started");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 137);
}

#[test]
fn a_second_signal_kills_the_command_at_once() {
    let (etcd, confdir) = with_a_server();
    let script = "trap 'echo term >> log' TERM; echo started >> log; while :; do sleep 0.05; done";
    let mut proxy = supervise(&etcd.url(), &confdir, &["--kill-timeout", "1h"], script);
    wait_for_line(&confdir, "started");
    proxy.signal(Signal::TERM);
    wait_for_line(&confdir, "term");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 137);
}

#[test]
fn sighup_is_for_us_and_sigusr1_for_the_command() {
    let (etcd, confdir) = with_a_server();
    let proxy = supervise(&etcd.url(), &confdir, &[], CHILD);
    wait_for_line(&confdir, "started");
    confdir.add("new.conf", "", "static");
    proxy.signal(Signal::HUP);
    confdir.wait_for("new.conf", "static", SOON);
    proxy.signal(Signal::USR1);
    wait_for_line(&confdir, "usr1");
    assert_eq!(confdir.read("log").unwrap(), "started\nusr1\n");
}

#[test]
fn the_reload_signal_follows_a_change() {
    let (etcd, confdir) = with_a_server();
    let _proxy = supervise(&etcd.url(), &confdir, &["--reload-signal", "HUP"], CHILD);
    wait_for_line(&confdir, "started");
    etcd.ctl(&["put", "/services/web/b", "2"]);
    wait_for_line(&confdir, "hup");
    assert_eq!(confdir.read("log").unwrap(), "started\nhup\n");
}

#[test]
fn log_files_are_followed() {
    let (etcd, confdir) = with_a_server();
    let log = confdir.dest("access.log").display().to_string();
    let output = confdir.path("stdout");
    let mut command = render(&etcd.url(), &confdir);
    command.args(["--follow", &log, "--", "sh", "-c", "sleep 60"]);
    let _proxy = Running::spawn_to(&mut command, &output);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    fs::write(&log, "GET /\n").unwrap();
    eventually("the line is copied", SOON, || {
        match fs::read_to_string(&output) {
            Ok(text) if text == "GET /\n" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn process_1_reaps_orphans_and_passes_signals_on() {
    let (etcd, confdir) = with_a_server();
    let script = format!("(sleep 0.01 &) ; (sleep 0.02 &) ; {CHILD}");
    let Some(wrapper) = own_processes() else {
        return;
    };
    let mut command = render(&etcd.url(), &confdir);
    command
        .args(["--", "sh", "-c", &script])
        .current_dir(confdir.path("out"));
    let mut outside = Running::spawn(&mut wrapped(wrapper, &command));
    wait_for_line(&confdir, "started");
    let init = children_of(outside.id())[0];
    eventually("orphans are reaped", SOON, || {
        match children_of(init).as_slice() {
            [_] => Ok(()),
            several => Err(format!("{several:?}")),
        }
    });
    let pid = rustix::process::Pid::from_raw(i32::try_from(init).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(outside.wait_for_exit(Duration::from_secs(10)), 7);
}

#[test]
fn an_agent_as_process_1_reaps_what_its_checks_leave_behind() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let Some(wrapper) = own_processes() else {
        return;
    };
    let mut command = register();
    command
        .args(["--service", "web", "--address", &backend.address()])
        .args(["--endpoints", &etcd.url(), "--interval", "50ms"])
        .args(["--check", "exec:(setsid sleep 0.01 &) ; true"]);
    let mut outside = Running::spawn(&mut wrapped(wrapper, &command));
    etcd.wait_for(&backend.key(), SOON);
    let init = children_of(outside.id())[0];
    eventually("orphans are reaped", SOON, || {
        match children_of(init).as_slice() {
            [_] => Ok(()),
            several => Err(format!("{several:?}")),
        }
    });
    let pid = rustix::process::Pid::from_raw(i32::try_from(init).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(outside.wait_for_exit(SOON), 0);
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn one_pass_as_process_1_ends_by_a_signal() {
    let (etcd, confdir) = with_a_server();
    let Some(wrapper) = own_processes() else {
        return;
    };
    let reload = format!(
        "echo reloading >> {}; sleep 600",
        confdir.dest("log").display()
    );
    let fields = format!("{KEYS}\nreload_cmd = \"{reload}\"");
    confdir.add("app.conf", &fields, SERVERS);
    let mut command = render(&etcd.url(), &confdir);
    command.arg("--once");
    let mut outside = Running::spawn(&mut wrapped(wrapper, &command));
    wait_for_line(&confdir, "reloading");
    let init = children_of(outside.id())[0];
    let pid = rustix::process::Pid::from_raw(i32::try_from(init).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(outside.wait_for_exit(SOON), 128 + 15);
}

#[test]
fn a_stop_before_the_command_ran_does_not_start_it() {
    let etcd = Etcd::start();
    let fields = format!("{KEYS}\ncheck_cmd = \"sleep 600\"");
    let confdir = Confdir::new().with("app.conf", &fields, SERVERS);
    let flags = ["--log-level", "debug", "--kill-timeout", "1h"];
    let mut proxy = supervise(&etcd.url(), &confdir, &flags, CHILD);
    proxy.wait_for_event_with("command_running", "sleep 600", SOON);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 0);
    assert_eq!(confdir.read("log"), None);
}

#[test]
fn a_resource_that_is_taken_away_holds_the_command_back_no_more() {
    let (etcd, confdir) = with_a_server();
    confdir.add("bad.conf", KEYS, "{{getv \"/nope\"}}");
    let proxy = supervise(&etcd.url(), &confdir, &[], CHILD);
    proxy.wait_for_event("command_held_back", SOON);
    fs::remove_file(confdir.path("conf.d/bad.conf.toml")).unwrap();
    proxy.signal(Signal::HUP);
    wait_for_line(&confdir, "started");
}

/// A resource whose check runs until it is told to end.
fn with_a_check_under_way(confdir: &Confdir) {
    let waits = confdir.path("goes-on").display().to_string();
    let check = format!(
        "check_cmd = \"echo checking >> {}; while test -e {waits}; do sleep 0.02; done\"",
        confdir.dest("log").display()
    );
    confdir.add("app.conf", &format!("{KEYS}\n{check}"), SERVERS);
}

#[test]
fn a_first_signal_after_the_command_ended_during_a_pass_is_no_second_one() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new();
    let fields = format!(
        "{KEYS}\nreload_cmd = \"echo reloading >> {0}; while test -e {1}; do sleep 0.02; done\"",
        confdir.dest("log").display(),
        confdir.path("goes-on").display()
    );
    confdir.add("app.conf", &fields, SERVERS);
    let script = "echo started >> log; while ! test -e end; do sleep 0.02; done; exit 5";
    let mut proxy = supervise(&etcd.url(), &confdir, &[], script);
    wait_for_line(&confdir, "started");
    confdir.write("goes-on", "");
    etcd.ctl(&["put", "/services/web/a", "2"]);
    wait_for_line(&confdir, "reloading");
    confdir.write("out/end", "");
    proxy.wait_for_event("command_ended", SOON);
    proxy.signal(Signal::TERM);
    proxy.wait_for_event("stopping", SOON);
    fs::remove_file(confdir.path("goes-on")).unwrap();
    assert_eq!(proxy.wait_for_exit(SOON), 5);
    assert_eq!(proxy.said("second_signal"), 0, "{}", proxy.log());
}

#[test]
fn a_hangup_during_a_pass_is_said_and_carried_out_at_once() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new();
    confdir.write("goes-on", "");
    with_a_check_under_way(&confdir);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    wait_for_line(&confdir, "checking");
    confdir.add("other.conf", KEYS, SERVERS);
    proxy.signal(Signal::HUP);
    proxy.wait_for_event("conf_d_reloading", SOON);
    confdir.wait_for("other.conf", "server 1;\n", SOON);
    fs::remove_file(confdir.path("goes-on")).unwrap();
    confdir.wait_for("app.conf", "server 1;\n", SOON);
}
