use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use renderer::cancel::Cancel;
use renderer::options::Options;

use crate::host::Host;
use crate::record::record;

#[test]
fn a_check_that_names_the_staged_file_runs_before_the_swap() {
    let mut host = Host::new();
    let resource = host.resource("a", r#"check_cmd = "cat {{.src}} {{.dest}} >> @DIR@/log""#);
    host.write("out/a", "old\n");
    host.put("/a", "new");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), ["new", "old"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_check_that_names_no_file_sees_the_new_one_in_place() {
    let mut host = Host::new();
    let resource = host.resource("a", r#"check_cmd = "cat @DIR@/out/a >> @DIR@/log""#);
    host.write("out/a", "old\n");
    host.put("/a", "new");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), ["new"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn check_swapped_false_checks_before_the_swap() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        "check_cmd = \"cat @DIR@/out/a >> @DIR@/log\"\ncheck_swapped = false",
    );
    host.write("out/a", "old\n");
    host.put("/a", "new");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), ["old"]);
}

#[test]
fn the_previous_file_lies_beside_the_new_one_while_that_is_checked() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        r#"check_cmd = "cat @DIR@/out/.a.previous >> @DIR@/log""#,
    );
    host.write("out/a", "old\n");
    host.put("/a", "new");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), ["old"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_failed_check_keeps_the_old_file_and_reloads_nothing() {
    for check in ["exit 7", "exit 7 # {{.src}}"] {
        let mut host = Host::new();
        let resource = host.resource(
            "a",
            &format!("check_cmd = \"{check}\"\nreload_cmd = \"echo reload >> @DIR@/log\""),
        );
        host.write("out/a", "old\n");
        host.put("/a", "new");
        assert_eq!(
            host.sync(&[&resource]),
            ["Config check failed: exit status 7"]
        );
        assert_eq!(host.read("out/a"), "old\n");
        assert_eq!(host.log(), [""; 0]);
        assert_eq!(host.names(), ["a"]);
    }
}

#[test]
fn a_failed_check_of_a_new_file_leaves_none() {
    let mut host = Host::new();
    let resource = host.resource("a", r#"check_cmd = "test ! -e @DIR@/out/a""#);
    host.put("/a", "new");
    assert_eq!(
        host.sync(&[&resource]),
        ["Config check failed: exit status 1"]
    );
    assert_eq!(host.names(), [""; 0]);
}

#[test]
fn what_is_put_back_is_the_same_file() {
    use std::os::unix::fs::MetadataExt;
    let mut host = Host::new();
    let resource = host.resource("a", "mode = \"0600\"\ncheck_cmd = \"false\"");
    host.write("out/a", "old\n");
    let before = fs::metadata(host.path("out/a")).unwrap();
    host.put("/a", "new");
    host.sync(&[&resource]);
    let after = fs::metadata(host.path("out/a")).unwrap();
    assert_eq!(
        (after.ino(), after.mode(), after.mtime_nsec()),
        (before.ino(), before.mode(), before.mtime_nsec())
    );
}

#[test]
fn a_check_that_hangs_is_ended() {
    let mut host = Host::new();
    let resource = host.resource("a", "check_cmd = \"sleep 1000\"\ncheck_timeout = \"100ms\"");
    host.write("out/a", "old\n");
    host.put("/a", "new");
    assert_eq!(
        host.sync(&[&resource]),
        ["Config check failed: timed out after 100ms"]
    );
    assert_eq!(host.read("out/a"), "old\n");
}

#[test]
fn a_check_whose_text_is_no_template_fails_before_anything_is_swapped() {
    let mut host = Host::new();
    let resource = host.resource("a", r#"check_cmd = "x {{.src""#);
    host.write("out/a", "old\n");
    host.put("/a", "new");
    let (outcomes, lines) = record(|| host.sync(&[&resource]));
    assert_eq!(
        outcomes,
        ["Config check failed: template: checkcmd:1: unclosed action"]
    );
    assert!(!lines.iter().any(|line| line.contains("Overwriting")));
    assert_eq!(host.read("out/a"), "old\n");
}

#[test]
fn being_told_to_stop_kills_the_check_and_puts_the_old_file_back() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        r#"check_cmd = "trap '' TERM; echo >> @DIR@/started; while :; do sleep 1; done""#,
    );
    let other = host.resource("b", "");
    host.write("out/a", "old\n");
    host.put("/a", "new");
    host.put("/b", "new");
    let cancel = Cancel::new().unwrap();
    let started = host.path("started");
    let start = Instant::now();
    let outcomes = thread::scope(|scope| {
        scope.spawn(|| {
            while !started.exists() && start.elapsed() < Duration::from_secs(30) {
                thread::yield_now();
            }
            cancel.cancel();
        });
        host.sync_until(&cancel, &[&resource, &other])
    });
    assert_eq!(outcomes, ["given up: stopping"; 2]);
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(host.names(), ["a"]);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn sync_only_neither_checks_nor_reloads_nor_owes() {
    let mut host = Host::with(Options {
        sync_only: true,
        ..Options::default()
    });
    let resource = host.resource(
        "a",
        "check_cmd = \"echo check >> @DIR@/log; false\"\nreload_cmd = \"echo reload >> @DIR@/log\"",
    );
    host.put("/a", "new");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.log(), [""; 0]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn the_same_contents_are_tried_again_and_taken_once_the_check_passes() {
    let mut host = Host::new();
    let resource = host.resource("a", r#"check_cmd = "test -e @DIR@/ready""#);
    host.put("/a", "new");
    let failed = ["Config check failed: exit status 1"];
    assert_eq!(host.sync(&[&resource]), failed);
    assert_eq!(host.sync(&[&resource]), failed);
    host.write("ready", "");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.read("out/a"), "new\n");
}

#[test]
fn a_failure_to_put_a_file_back_does_not_hide_why_it_was_to_be() {
    let mut host = Host::new();
    host.write("out/a", "old\n");
    let resource = host.resource("a", "check_cmd = \"rm @DIR@/out/.a.previous; exit 3\"");
    host.put("/a", "new");
    assert_eq!(
        host.sync(&[&resource]),
        [
            "cannot put back @DIR@/out/a: No such file or directory (os error 2); \
          before that: Config check failed: exit status 3"
        ]
    );
}

#[test]
fn a_file_that_is_put_back_by_the_next_sync_counts_as_updated_then() {
    let mut host = Host::new();
    host.write("out/a", "old\n");
    let hide = "cd @DIR@/out; mv .a.previous ../kept; mkdir .a.previous";
    let resource = host.resource("a", &format!("check_cmd = \"{hide}\""));
    host.put("/a", "new");
    assert_eq!(
        host.sync(&[&resource]),
        ["cannot remove what was kept of @DIR@/out/a: Is a directory (os error 21)"]
    );
    // What uses the files may have read this one, with another that was updated.
    assert_eq!(host.read("out/a"), "new\n");
    fs::remove_dir(host.path("out/.a.previous")).unwrap();
    fs::rename(host.path("kept"), host.path("out/.a.previous")).unwrap();

    let mut unreadable = resource.clone();
    unreadable.src = host.path("templates/missing");
    let outcomes = host.sync(&[&unreadable]);
    assert!(outcomes[0].starts_with("Missing template"), "{outcomes:?}");
    assert_eq!(host.read("out/a"), "old\n");

    host.put("/a", "old");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(host.names(), ["a"]);
}
