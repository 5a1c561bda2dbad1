use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::cancel::Cancel;

const PLENTY: Duration = Duration::from_secs(30);

fn run_to_end(command: &str) -> (String, String) {
    let (output, result) = run(command, PLENTY, None, &[]);
    (text(&output), outcome(result))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.tail).into_owned()
}

fn outcome(result: Result<(), CommandError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PLENTY;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

fn alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // A zombie is as dead as one that was reaped.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn output_and_error_come_through_one_pipe_in_order() {
    assert_eq!(
        run_to_end("echo one; echo two >&2; echo three"),
        ("one\ntwo\nthree\n".to_owned(), "ok".to_owned())
    );
}

#[test]
fn standard_input_is_empty() {
    assert_eq!(run_to_end("cat").1, "ok");
}

#[test]
fn failures_are_worded_as_go_words_them() {
    assert_eq!(run_to_end("exit 7").1, "exit status 7");
    assert_eq!(run_to_end("kill -9 $$").1, "signal: killed");
    assert_eq!(run_to_end("kill -15 $$").1, "signal: terminated");
    assert_eq!(run_to_end("kill -40 $$").1, "signal: signal 40");
    assert_eq!(run_to_end("no-such-command").1, "exit status 127");
}

#[test]
fn more_output_than_a_pipe_holds_does_not_block_the_command() {
    let (output, result) = run(
        "head -c 1000000 /dev/zero | tr '\\0' x; echo end",
        PLENTY,
        None,
        &[],
    );
    assert_eq!(outcome(result), "ok");
    assert!(text(&output).ends_with("xxxxend\n"));
}

#[test]
fn a_command_that_hangs_is_ended_with_all_that_it_started() {
    let dir = TempDir::new().unwrap();
    let pid = dir.path().join("pid");
    let command = format!(
        "sleep 1000 & echo $! > {}; echo waiting; wait",
        pid.display()
    );
    let (output, result) = run(&command, Duration::from_millis(300), None, &[]);
    assert_eq!(outcome(result), "timed out after 300ms");
    assert_eq!(text(&output), "waiting\n");
    until("the child of the shell is gone", || !alive(&pid));
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_after_the_grace() {
    let start = Instant::now();
    let text = "trap '' TERM; while :; do sleep 1; done";
    let (_, result) = run(text, Duration::from_millis(50), None, &[]);
    assert_eq!(outcome(result), "timed out after 50ms");
    let took = start.elapsed();
    assert!(took >= GRACE && took < 2 * GRACE, "{took:?}");
}

#[test]
fn what_floods_the_pipe_is_ended_in_time() {
    let (_, result) = run("yes", Duration::from_millis(100), None, &[]);
    assert_eq!(outcome(result), "timed out after 100ms");
}

#[test]
fn a_daemon_left_behind_neither_blocks_us_nor_dies() {
    let dir = TempDir::new().unwrap();
    let (pid, go, wrote) = (
        dir.path().join("pid"),
        dir.path().join("go"),
        dir.path().join("wrote"),
    );
    let command = format!(
        "sh -c 'until [ -e {go} ]; do sleep 0.01; done; head -c 300000 /dev/zero && touch {wrote}; exec sleep 1000' & \
         echo $! > {pid}; echo started",
        go = go.display(),
        wrote = wrote.display(),
        pid = pid.display(),
    );
    let start = Instant::now();
    assert_eq!(
        run_to_end(&command),
        ("started\n".to_owned(), "ok".to_owned())
    );
    assert!(start.elapsed() < PLENTY);

    fs::write(&go, "").unwrap();
    until("the daemon wrote more than the pipe holds", || {
        wrote.exists()
    });
    assert!(alive(&pid));
    let daemon = fs::read_to_string(&pid).unwrap();
    run_to_end(&format!("kill -9 {daemon}"));
}

#[test]
fn a_daemon_that_never_stops_writing_does_not_hold_us() {
    let dir = TempDir::new().unwrap();
    let pid = dir.path().join("pid");
    let (_, result) = run(
        &format!("yes & echo $! > {}", pid.display()),
        PLENTY,
        None,
        &[],
    );
    assert_eq!(outcome(result), "ok");
    assert!(alive(&pid));
    run_to_end(&format!("kill -9 {}", fs::read_to_string(&pid).unwrap()));
}

#[test]
fn cancelling_kills_the_command_at_once() {
    let dir = TempDir::new().unwrap();
    let started = dir.path().join("started");
    let cancel = Cancel::new().unwrap();
    let command = format!(
        "trap '' TERM; touch {}; while :; do sleep 1; done",
        started.display()
    );
    let start = Instant::now();
    let result = thread::scope(|scope| {
        let running = scope.spawn(|| run(&command, PLENTY, Some(cancel.cancelled()), &[]).1);
        until("the command runs", || started.exists());
        cancel.cancel();
        running.join().unwrap()
    });
    assert_eq!(outcome(result), "given up: stopping");
    assert!(start.elapsed() < PLENTY);
}

#[test]
fn the_shell_sees_a_group_of_its_own() {
    let (output, _) = run("ps -o pgid= -p $$; echo $$", PLENTY, None, &[]);
    let printed = text(&output);
    let ids: Vec<&str> = printed.split_whitespace().collect();
    assert_eq!(ids.first(), ids.last());
}

#[test]
fn stopping_does_not_wait_for_the_grace_of_a_command_that_has_timed_out() {
    let dir = TempDir::new().unwrap();
    let told = dir.path().join("told");
    let cancel = Cancel::new().unwrap();
    let command = format!(
        "trap 'touch {}' TERM; while :; do sleep 0.01; done",
        told.display()
    );
    let result = thread::scope(|scope| {
        let running = scope.spawn(|| {
            let timeout = Duration::from_millis(50);
            run(&command, timeout, Some(cancel.killed()), &[]).1
        });
        until("the command was told to end", || told.exists());
        let start = Instant::now();
        cancel.kill();
        let result = running.join().unwrap();
        assert!(start.elapsed() < GRACE);
        result
    });
    assert_eq!(outcome(result), "timed out after 50ms");
}
