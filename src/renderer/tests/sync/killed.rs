use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::host::Host;
use crate::record::record;

/// Of a command: kills the process that runs it, as by `kill -9`.
const KILL_US: &str = "kill -9 $PPID";

fn is_killed(host: &Host) {
    let output = host.child(&[]).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
}

#[test]
fn between_stage_and_swap_nothing_has_happened_yet() {
    let mut host = Host::new();
    host.resource("a", &format!("check_cmd = \"{KILL_US} # {{{{.src}}}}\""));
    host.write("out/a", "old\n");
    host.put("/a", "new");
    is_killed(&host);
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(host.names().len(), 2);

    let resource = host.resource("a", "");
    let (outcomes, lines) = record(|| host.sync(&[&resource]));
    assert_eq!(outcomes, ["updated"]);
    assert_eq!(host.names(), ["a"]);
    assert_eq!(
        host.plain(&lines[0]),
        "DEBUG Removed @DIR@/out/.a@RND@, left by a killed process"
    );
}

#[test]
fn what_is_left_is_removed_even_when_the_file_is_in_step_again() {
    let mut host = Host::new();
    let resource = host.resource("a", &format!("check_cmd = \"{KILL_US} # {{{{.src}}}}\""));
    host.write("out/a", "old\n");
    host.put("/a", "new");
    is_killed(&host);
    host.put("/a", "old");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn between_swap_and_check_the_previous_file_is_put_back() {
    let mut host = Host::new();
    host.resource("a", &format!("check_cmd = \"{KILL_US}\""));
    host.write("out/a", "old\n");
    host.put("/a", "new");
    is_killed(&host);
    assert_eq!(host.read("out/a"), "new\n");
    assert_eq!(host.names(), [".a.previous", "a"]);

    let resource = host.resource("a", "check_cmd = \"cat @DIR@/out/a >> @DIR@/log; false\"");
    let (outcomes, lines) = record(|| host.sync(&[&resource]));
    assert_eq!(outcomes, ["Config check failed: exit status 1"]);
    assert_eq!(host.log(), ["new"]);
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(host.names(), ["a"]);
    assert_eq!(
        host.plain(&lines[0]),
        "WARN @DIR@/out/a had been replaced and not been checked: put back the previous one"
    );
}

#[test]
fn between_swap_and_check_of_a_first_file_there_is_none_again() {
    let mut host = Host::new();
    host.resource("a", &format!("check_cmd = \"{KILL_US}\""));
    host.put("/a", "new");
    is_killed(&host);
    assert_eq!(host.names(), [".a.absent", "a"]);

    let resource = host.resource("a", "");
    host.write("templates/a.tmpl", "{{fail}}");
    let outcomes = host.sync(&[&resource]);
    assert!(
        outcomes[0].starts_with("Unable to process template"),
        "{outcomes:?}"
    );
    assert_eq!(host.names(), [""; 0]);
}

#[test]
fn before_the_swap_what_was_kept_is_let_go() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.write("out/a", "old\n");
    fs::hard_link(host.path("out/a"), host.path("out/.a.previous")).unwrap();
    host.put("/a", "old");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn during_the_reload_it_is_owed() {
    let mut host = Host::new();
    host.resource("a", &format!("reload_cmd = \"{KILL_US}\""));
    host.put("/a", "new");
    is_killed(&host);
    assert_eq!(host.names(), [".a.owed", "a"]);

    let resource = host.resource("a", "reload_cmd = \"echo reload >> @DIR@/log\"");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.log(), ["reload"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn in_the_middle_of_a_group_all_of_it_is_put_back() {
    let mut host = Host::new();
    let fields = format!("check_cmd = \"{KILL_US}\"\nreload_cmd = \"true\"");
    host.resource("a", &fields);
    host.resource("b", &fields);
    host.write("out/a", "old\n");
    host.put("/a", "new");
    host.put("/b", "new");
    is_killed(&host);
    assert_eq!(
        host.names(),
        [".a.owed", ".a.previous", ".b.absent", ".b.owed", "a", "b"]
    );

    let fields = "check_cmd = \"false\"\nreload_cmd = \"echo reload >> @DIR@/log\"";
    let (a, b) = (host.resource("a", fields), host.resource("b", fields));
    let failed = "Config check failed: exit status 1 (reload owed)";
    assert_eq!(host.sync(&[&a, &b]), [failed, failed]);
    assert_eq!(host.read("out/a"), "old\n");
    assert!(!host.path("out/b").exists());
    assert_eq!(host.log(), [""; 0]);
}

/// Ends what a test leaves running, also when that fails.
struct Hanging {
    child: std::process::Child,
    check: String,
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let kill = format!("kill -9 -{}", self.check.trim());
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }
}

/// Another process, in the middle of a check that never ends.
fn hanging(host: &Host, check: &str) -> Hanging {
    host.resource(
        "a",
        &format!("check_cmd = \"echo $$ > @DIR@/check; exec sleep 1000 {check}\""),
    );
    let child = host.child(&[]).stdout(Stdio::null()).spawn().unwrap();
    let check = host.await_file("check");
    Hanging { child, check }
}

#[test]
fn what_a_living_process_works_on_is_left_alone_until_it_is_dead() {
    let mut host = Host::new();
    host.write("out/a", "old\n");
    host.put("/a", "new");
    let other = hanging(&host, "");
    assert_eq!(host.names(), [".a.previous", "a"]);

    let resource = host.resource("a", "");
    assert_eq!(
        host.sync(&[&resource]),
        ["cannot put back @DIR@/out/a: another process is replacing it"]
    );
    assert_eq!(host.names(), [".a.previous", "a"]);

    drop(other);
    host.put("/a", "old");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn a_first_file_that_a_living_process_checks_stays() {
    let mut host = Host::new();
    host.put("/a", "new");
    let other = hanging(&host, "");
    let resource = host.resource("a", "");
    assert_eq!(
        host.sync(&[&resource]),
        ["cannot put back @DIR@/out/a: another process is replacing it"]
    );
    assert_eq!(host.names(), [".a.absent", "a"]);
    drop(other);
}

#[test]
fn the_staged_file_of_a_living_process_is_not_swept() {
    let mut host = Host::new();
    host.write("out/a", "old\n");
    host.put("/a", "new");
    let other = hanging(&host, "# {{.src}}");
    let resource = host.resource("a", "");
    host.put("/a", "old");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    assert_eq!(host.names().len(), 2, "{:?}", host.names());
    drop(other);
    host.sync_until_names_are(&[&resource], &["a"]);
}
