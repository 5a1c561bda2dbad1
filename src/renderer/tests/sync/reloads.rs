use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use renderer::cancel::Cancel;
use renderer::options::Options;

use crate::host::Host;

/// Fails until there is a file `ready`.
const FLAKY: &str = r#"reload_cmd = "echo reload >> @DIR@/log; test -e @DIR@/ready || exit 3""#;

#[test]
fn a_reload_runs_once_for_a_change_and_not_for_none() {
    let mut host = Host::new();
    let resource = host.resource("a", r#"reload_cmd = "cat @DIR@/out/a >> @DIR@/log""#);
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    host.put("/a", "2");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), ["1", "2"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_failed_reload_is_owed_until_it_succeeds() {
    let mut host = Host::new();
    let resource = host.resource("a", FLAKY);
    host.put("/a", "1");
    let owed = ["exit status 3 (reload owed)"];
    assert_eq!(host.sync(&[&resource]), owed);
    assert_eq!(host.read("out/a"), "1\n");
    assert_eq!(host.names(), [".a.owed", "a"]);
    assert_eq!(host.sync(&[&resource]), owed);
    host.restart(Options::default());
    assert_eq!(host.sync(&[&resource]), owed);
    host.write("ready", "");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.log(), ["reload"; 4]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn an_owed_reload_waits_for_a_tree_that_passes_the_check() {
    let mut host = Host::new();
    let fields =
        format!("{FLAKY}\ncheck_cmd = \"echo check >> @DIR@/log; test ! -e @DIR@/broken\"");
    let resource = host.resource("a", &fields);
    host.put("/a", "1");
    host.sync(&[&resource]);
    host.write("ready", "");
    host.write("broken", "");
    assert_eq!(
        host.sync(&[&resource]),
        ["Config check failed: exit status 1 (reload owed)"]
    );
    fs::remove_file(host.path("broken")).unwrap();
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.log(), ["check", "reload", "check", "check", "reload"]);
}

#[test]
fn an_owed_reload_does_not_wait_for_a_template_that_renders() {
    let mut host = Host::new();
    let resource = host.resource("a", FLAKY);
    host.put("/a", "1");
    host.sync(&[&resource]);
    host.write("ready", "");
    host.write("templates/a.tmpl", "{{getv \"/missing\"}}");
    let error = "template: a.tmpl:1:2: executing \"a.tmpl\" at <getv \"/missing\">: \
                 error calling getv: key does not exist: /missing";
    assert_eq!(host.sync(&[&resource]), [error]);
    assert_eq!(host.log(), ["reload"; 2]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_reload_is_owed_before_the_file_is_replaced() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        "check_cmd = \"ls -A @DIR@/out >> @DIR@/log\"\nreload_cmd = \"ls -A @DIR@/out >> @DIR@/log\"",
    );
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), [".a.absent", ".a.owed", "a", ".a.owed", "a"]);
}

#[test]
fn held_reloads_are_neither_run_nor_owed_but_checks_are_run() {
    let mut host = Host::with(Options {
        hold_reloads: true,
        ..Options::default()
    });
    let resource = host.resource(
        "a",
        &format!("{FLAKY}\ncheck_cmd = \"echo check >> @DIR@/log\""),
    );
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), ["check"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn what_is_owed_can_be_remembered_elsewhere() {
    let mut host = Host::new();
    let options = Options {
        state_dir: Some(host.path("state/deep")),
        ..Options::default()
    };
    host.restart(options.clone());
    let resource = host.resource("a", FLAKY);
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["exit status 3 (reload owed)"]);
    assert_eq!(host.names(), ["a"]);
    host.restart(options);
    host.write("ready", "");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(fs::read_dir(host.path("state/deep")).unwrap().count(), 0);
}

#[test]
fn a_record_without_a_reload_is_forgotten() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.put("/a", "1");
    host.write("out/.a.owed", "");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_record_that_cannot_be_written_keeps_the_old_file() {
    let mut host = Host::new();
    host.write("state", "a file");
    host.restart(Options {
        state_dir: Some(host.path("state/dir")),
        ..Options::default()
    });
    let resource = host.resource("a", FLAKY);
    host.write("out/a", "old\n");
    host.put("/a", "1");
    let outcomes = host.sync(&[&resource]);
    assert!(
        outcomes[0].ends_with(".owed: Not a directory (os error 20)"),
        "{outcomes:?}"
    );
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_reload_that_hangs_is_ended() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        "reload_cmd = \"sleep 1000\"\nreload_timeout = \"100ms\"",
    );
    host.put("/a", "1");
    assert_eq!(
        host.sync(&[&resource]),
        ["timed out after 100ms (reload owed)"]
    );
}

#[test]
fn a_reload_that_leaves_a_daemon_behind_does_not_block() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        r#"reload_cmd = "sh -c 'until test -e @DIR@/go; do sleep 0.01; done; echo still here; echo yes > @DIR@/alive' & echo started""#,
    );
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    host.write("go", "");
    assert_eq!(host.await_file("alive"), "yes\n");
}

#[test]
fn a_reload_under_way_may_end_after_being_told_to_stop() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        r#"reload_cmd = "echo > @DIR@/started; until test -e @DIR@/go; do sleep 0.01; done; echo reloaded >> @DIR@/log""#,
    );
    host.put("/a", "1");
    let cancel = Cancel::new().unwrap();
    let (started, go) = (host.path("started"), host.path("go"));
    let outcomes = thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !started.exists() && Instant::now() < deadline {
                thread::yield_now();
            }
            cancel.cancel();
            fs::write(go, "").unwrap();
        });
        host.sync_until(&cancel, &[&resource])
    });
    assert_eq!(outcomes, ["updated"]);
    assert_eq!(host.log(), ["reloaded"]);
}

#[test]
fn a_reload_that_hangs_is_killed_at_once_in_the_second_stage_and_stays_owed() {
    let mut host = Host::new();
    let hangs = "trap '' TERM; echo >> @DIR@/started; until test -e @DIR@/go; do sleep 0.01; done";
    let resource = host.resource("a", &format!("reload_cmd = \"{hangs}\""));
    host.put("/a", "1");
    let cancel = Cancel::new().unwrap();
    let started = host.path("started");
    let (outcomes, took) = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !started.exists() && Instant::now() < deadline {
                thread::yield_now();
            }
            cancel.cancel();
            cancel.kill();
            Instant::now()
        });
        let outcomes = host.sync_until(&cancel, &[&resource]);
        (outcomes, killer.join().unwrap().elapsed())
    });
    assert_eq!(outcomes, ["given up: stopping (reload owed)"]);
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(host.read("out/a"), "1\n");
    assert_eq!(host.names(), [".a.owed", "a"]);

    host.write("go", "");
    host.restart(Options::default());
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_reload_knows_the_name_of_the_file() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        r#"reload_cmd = "echo {{.src}} '{{ .dest }}' '{{.Names}}' >> @DIR@/log""#,
    );
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    let dest = host.path("out/a");
    let dest = dest.to_str().unwrap();
    assert_eq!(host.log(), [format!("{dest} {dest} {{{{.Names}}}}")]);
}
