use std::time::Duration;

use rustix::process::Signal;

use crate::harness::running::render;
use crate::harness::{Confdir, Etcd, Running, SOON, Wire, eventually};

const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
const KEYS: &str = "keys = [\"/services/web\"]";

#[test]
fn a_file_follows_its_keys() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.ctl(&["put", "/services/web/b", "10.0.0.2:80"]);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 10.0.0.2:80;\n", SOON);
    etcd.ctl(&["put", "/services/web/a", "10.0.0.1:80"]);
    let both = "server 10.0.0.1:80;\nserver 10.0.0.2:80;\n";
    confdir.wait_for("app.conf", both, SOON);
    etcd.ctl(&["del", "/services/web/b"]);
    confdir.wait_for("app.conf", "server 10.0.0.1:80;\n", SOON);
    assert_eq!(confdir.files(), ["app.conf"]);
}

#[test]
fn a_key_goes_with_its_lease() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.put_leased("/services/web/a", "10.0.0.1:80", 1);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 10.0.0.1:80;\n", SOON);
    confdir.wait_for("app.conf", "", SOON);
}

#[test]
fn only_a_change_of_a_value_under_its_keys_wakes_a_resource() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    confdir.add(
        "app.conf",
        &format!("{KEYS}\nreload_cmd = \"{}\"", confdir.note("reloads")),
        "{{range getvs \"/services/web/*\"}}{{.}} {{end}}{{datetime.UnixNano}}",
    );
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    eventually("first reload", SOON, || match confdir.count("reloads") {
        1 => Ok(()),
        count => Err(count.to_string()),
    });
    etcd.ctl(&["put", "/services/web/a", "1"]);
    etcd.ctl(&["put", "/services/website", "2"]);
    etcd.ctl(&["put", "/other", "3"]);
    // Ordered behind the three: when it has been acted on, they have not been.
    etcd.ctl(&["put", "/services/web/b", "4"]);
    eventually("second reload", SOON, || match confdir.count("reloads") {
        2 => Ok(()),
        count => Err(count.to_string()),
    });
}

#[test]
fn resources_with_the_same_reload_are_reloaded_once() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!(
        "{KEYS}\ncheck_cmd = \"echo check >> {log}\"\nreload_cmd = \"echo reload >> {log}\"",
        log = confdir.dest("log").display()
    );
    etcd.ctl(&["put", "/services/web/a", "1"]);
    confdir.add("a.conf", &fields, SERVERS);
    confdir.add("b.conf", &fields, SERVERS);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    eventually("the reload", SOON, || match confdir.read("log") {
        Some(log) if log.contains("reload") => Ok(()),
        log => Err(format!("{log:?}")),
    });
    assert_eq!(confdir.read("log").unwrap(), "check\nreload\n");
    assert_eq!(confdir.read("a.conf"), confdir.read("b.conf"));
}

#[test]
fn a_burst_is_rendered_a_few_times_and_its_end_is_what_counts() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!("{KEYS}\nreload_cmd = \"{}\"", confdir.note("reloads"));
    confdir.add("app.conf", &fields, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "0"]);
    // So long a quiet that no other load on the machine makes pauses as long.
    let _proxy = Running::proxy(&etcd.url(), &confdir, &["--debounce", "1s:1m"]);
    confdir.wait_for("app.conf", "server 0;\n", SOON);
    let mut putter = etcd.putter();
    for n in 1..=300 {
        putter.put("/services/web/a", &n.to_string());
    }
    confdir.wait_for("app.conf", "server 300;\n", SOON);
    // The reload follows the file.
    let reloads = eventually("it is reloaded", SOON, || match confdir.count("reloads") {
        count @ 2.. => Ok(count),
        count => Err(count.to_string()),
    });
    assert!(reloads <= 4, "{reloads} reloads");
}

#[test]
fn a_role_on_what_lies_below_the_key_is_enough() {
    let mut etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "10.0.0.1:80"]);
    for line in [
        &["user", "add", "root:pw"][..],
        &["user", "add", "proxy:pw"],
        &["role", "add", "proxy"],
        &[
            "role",
            "grant-permission",
            "proxy",
            "--prefix=true",
            "read",
            "/services/web/",
        ],
        &["user", "grant-role", "proxy", "proxy"],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        etcd.ctl(line);
    }
    etcd.use_client_flags(&["--user=root:pw"]);
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &["--user", "proxy:pw"]);
    confdir.wait_for("app.conf", "server 10.0.0.1:80;\n", SOON);
    etcd.ctl(&["put", "/services/web/a", "10.0.0.9:80"]);
    confdir.wait_for("app.conf", "server 10.0.0.9:80;\n", SOON);
}

#[test]
fn without_permission_it_says_so_and_exits_3() {
    let etcd = Etcd::start();
    for line in [
        &["user", "add", "root:pw"][..],
        &["user", "add", "proxy:pw"],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        etcd.ctl(line);
    }
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let mut proxy = Running::proxy(&etcd.url(), &confdir, &["--user", "proxy:pw"]);
    assert_eq!(proxy.wait_for_exit(SOON), 3);
    let log = proxy.log();
    assert!(
        log.contains("refused: permission denied to read /services/web/"),
        "{log}"
    );
    assert_eq!(confdir.files(), [""; 0]);
}

#[test]
fn an_interval_repairs_a_file_that_somebody_else_changed() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &["--interval", "200ms"]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    confdir.write("out/app.conf", "broken\n");
    confdir.wait_for("app.conf", "server 1;\n", SOON);
}

#[test]
fn sighup_takes_a_new_resource_in_and_reloads_no_other() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!("{KEYS}\nreload_cmd = \"{}\"", confdir.note("reloads"));
    confdir.add("app.conf", &fields, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    etcd.ctl(&["put", "/other/b", "2"]);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    confdir.add("new.conf", "keys = [\"/other\"]", "{{getv \"/other/b\"}}");
    proxy.signal(Signal::HUP);
    confdir.wait_for("new.conf", "2", SOON);
    etcd.ctl(&["put", "/other/b", "3"]);
    confdir.wait_for("new.conf", "3", SOON);
    assert_eq!(confdir.count("reloads"), 1);
}

#[test]
fn a_resource_that_does_not_load_is_named_and_the_others_go_on() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    confdir.write("conf.d/broken.toml", "[template]\nsrc = \"x\n");
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    proxy.wait_for_event_with("resource_rejected", "conf.d/broken.toml", SOON);
}

#[test]
fn a_check_that_fails_keeps_the_last_good_file_and_is_tried_again() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!(
        "{KEYS}\ncheck_cmd = \"test -e {}\"",
        confdir.path("allowed").display()
    );
    confdir.add("app.conf", &fields, SERVERS);
    confdir.write("allowed", "");
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    proxy.wait_for_event("file_updated", SOON);
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
    std::fs::remove_file(confdir.path("allowed")).unwrap();
    etcd.ctl(&["put", "/services/web/a", "2"]);
    proxy.wait_for_event("resource_failed", SOON);
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
    confdir.write("allowed", "");
    proxy.wait_for_event("resource_recovered", SOON);
    assert_eq!(confdir.read("app.conf").unwrap(), "server 2;\n");
    assert_eq!(confdir.files(), ["app.conf"]);
    let failures = proxy.said("resource_failed");
    assert_eq!(failures, 1, "logged once: {}", proxy.log());
}

#[test]
fn a_reload_that_fails_is_owed_until_it_succeeds_even_over_a_restart() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!(
        "{KEYS}\nreload_cmd = \"test -e {} && {}\"",
        confdir.path("allowed").display(),
        confdir.note("reloads")
    );
    confdir.add("app.conf", &fields, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let mut proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    proxy.wait_for_event_with("resource_failed", "exit status 1", SOON);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 0);
    let _next = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.write("allowed", "");
    eventually("the reload", SOON, || match confdir.count("reloads") {
        1 => Ok(()),
        count => Err(count.to_string()),
    });
    eventually("nothing is owed any more", SOON, || match confdir.files() {
        files if files == ["app.conf", "reloads"] => Ok(()),
        files => Err(format!("{files:?}")),
    });
}

#[test]
fn sigterm_ends_a_check_that_hangs_and_exits_0() {
    let etcd = Etcd::start();
    let fields = format!("{KEYS}\ncheck_cmd = \"sleep 600\"");
    let confdir = Confdir::new().with("app.conf", &fields, SERVERS);
    let mut proxy = Running::proxy(&etcd.url(), &confdir, &["--log-level", "debug"]);
    proxy.wait_for_event_with("command_running", "sleep 600", SOON);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 0);
    assert_eq!(confdir.files(), [""; 0]);
}

#[test]
fn a_wire_that_is_cut_loses_nothing() {
    let etcd = Etcd::start();
    let wire = Wire::to(etcd.address());
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let proxy = Running::proxy(&wire.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    wire.cut();
    etcd.ctl(&["put", "/services/web/a", "2"]);
    confdir.wait_for("app.conf", "server 2;\n", Duration::from_secs(3));
    proxy.wait_for_event("etcd_back", SOON);
}

#[test]
fn more_keys_than_one_answer_holds_are_all_read() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, "{{len (gets \"/services/web/*\")}}");
    let pairs = (0..12_345).map(|n| (format!("/services/web/{n:05}"), n.to_string()));
    etcd.put_each(pairs);
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "12345", SOON);
}

#[test]
fn while_etcd_is_away_it_keeps_the_file_and_rests() {
    let mut etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    etcd.kill();
    proxy.wait_for_event("etcd_lost", SOON);
    let before = proxy.cpu();
    // Long enough for several attempts to reach it.
    std::thread::sleep(Duration::from_secs(2));
    let spent = proxy.cpu() - before;
    assert!(
        spent < Duration::from_millis(200),
        "{spent:?} of CPU in two seconds"
    );
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
    assert_eq!(proxy.said("etcd_lost"), 1, "{}", proxy.log());
    etcd.restart();
    etcd.ctl(&["put", "/services/web/a", "2"]);
    confdir.wait_for("app.conf", "server 2;\n", SOON);
}

#[test]
fn an_etcd_that_was_wiped_is_read_afresh() {
    let mut etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    for value in ["1", "2", "3"] {
        etcd.ctl(&["put", "/services/web/a", value]);
    }
    let _proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 3;\n", SOON);
    etcd.wipe();
    confdir.wait_for("app.conf", "", SOON);
    etcd.ctl(&["put", "/services/web/b", "4"]);
    confdir.wait_for("app.conf", "server 4;\n", SOON);
}

#[test]
fn a_wiped_etcd_that_has_fewer_revisions_than_were_told_is_read_afresh() {
    let mut etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "", SOON);
    for value in ["1", "2", "3", "4"] {
        etcd.ctl(&["put", "/services/web/a", value]);
    }
    confdir.wait_for("app.conf", "server 4;\n", SOON);
    // By the time that it sees the new etcd, that one has more revisions than were read at the start.
    proxy.signal(Signal::STOP);
    etcd.wipe();
    etcd.ctl(&["put", "/services/web/b", "5"]);
    proxy.signal(Signal::CONT);
    confdir.wait_for("app.conf", "server 5;\n", SOON);
}

#[test]
fn a_deletion_that_was_compacted_while_the_connection_was_cut_is_noticed() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    etcd.ctl(&["put", "/services/web/b", "2"]);
    let wire = Wire::to(etcd.address());
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let proxy = Running::proxy(&wire.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\nserver 2;\n", SOON);
    proxy.signal(Signal::STOP);
    wire.cut();
    etcd.ctl(&["del", "/services/web/b"]);
    etcd.ctl(&["compact", "--physical", &etcd.revision().to_string()]);
    proxy.signal(Signal::CONT);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
}

#[test]
fn a_slip_in_a_resource_at_a_hangup_leaves_its_last_good_definition_in_force() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    confdir.write(
        "conf.d/app.conf.toml",
        "[template]\nsrc = \"app.conf.tmpl\"\ndest = \n",
    );
    proxy.signal(Signal::HUP);
    proxy.wait_for_event_with("resource_rejected", "conf.d/app.conf.toml", SOON);
    etcd.ctl(&["put", "/services/web/a", "2"]);
    confdir.wait_for("app.conf", "server 2;\n", SOON);
}

#[test]
fn an_unknown_field_is_warned_of_once_while_it_is_there() {
    let etcd = Etcd::start();
    let fields = format!("{KEYS}\nrelaod_cmd = \"true\"");
    let confdir = Confdir::new().with("app.conf", &fields, SERVERS);
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    confdir.wait_for("app.conf", "", SOON);
    confdir.add("other.conf", KEYS, SERVERS);
    proxy.signal(Signal::HUP);
    confdir.wait_for("other.conf", "", SOON);
    let warnings = proxy.said_with("resource_doubtful", "relaod_cmd");
    assert_eq!(warnings, 1, "{}", proxy.log());
}

/// What `env` says in a command of ours that must not know our secrets.
fn assert_keeps_secrets(seen: &str) {
    assert!(seen.contains("PATH="), "{seen}");
    for secret in ["sesame", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}

#[test]
fn no_command_gets_our_secrets() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let note = |name: &str| format!("env > {}", confdir.dest(name).display());
    let fields = format!(
        "{KEYS}\ncheck_cmd = \"{}\"\nreload_cmd = \"{}\"",
        note("check"),
        note("reload")
    );
    confdir.add("app.conf", &fields, SERVERS);
    let mut command = render(&etcd.url(), &confdir);
    let child = note("child.new") + "; mv child.new child; sleep 60";
    command
        .args(["--", "sh", "-c", &child])
        .current_dir(confdir.path("out"));
    for name in ["REGISTER_USER", "ETCDCTL_USER", "CONFD_PASSWORD"] {
        command.env(name, "sesame:sesame");
    }
    command
        .env("ETCDCTL_PASSWORD", "sesame")
        .env("REGISTER_HEADER", "X-Token: sesame");
    command
        .env("NOTIFY_SOCKET", "/nonexistent")
        .env("WATCHDOG_USEC", "1000000");
    let _proxy = Running::spawn(&mut command);
    let seen_by = |name: &str| {
        eventually(name, SOON, || match confdir.read(name) {
            Some(seen) if seen.contains("PATH=") => Ok(seen),
            other => Err(format!("{other:?}")),
        })
    };
    assert_keeps_secrets(&seen_by("check"));
    assert_keeps_secrets(&seen_by("child"));
    etcd.ctl(&["put", "/services/web/a", "1"]);
    assert_keeps_secrets(&seen_by("reload"));
}
