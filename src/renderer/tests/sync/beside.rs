use std::fs;
use std::sync::Arc;
use std::thread;

use renderer::cancel::Cancel;
use renderer::options::Options;
use renderer::resource::Resource;
use renderer::sync::Synced;

use crate::gate::through;
use crate::host::{Host, await_that};
use crate::record::record;

/// As many commands as may run at once.
const COMMANDS: usize = 64;

fn reload(text: &str) -> String {
    format!("reload_cmd = \"{text}\"")
}

fn check(text: &str) -> String {
    format!("check_cmd = \"{text}\"")
}

/// Resources that have changed, and share nothing.
fn resources(host: &mut Host, count: usize, fields: &str) -> Vec<Resource> {
    let names = (0..count).map(|number| format!("f{number}"));
    names.map(|name| changed(host, &name, fields)).collect()
}

fn changed(host: &mut Host, name: &str, fields: &str) -> Resource {
    host.put(&format!("/{name}"), "new");
    host.resource(name, fields)
}

#[test]
fn a_reload_that_hangs_does_not_keep_another_group() {
    let mut host = Host::new();
    let a = changed(&mut host, "a", &reload(&through("gate")));
    let b = changed(&mut host, "b", &reload("echo b >> @DIR@/log"));
    thread::scope(|scope| {
        let gate = host.close("gate");
        let hung = scope.spawn(|| host.sync_group(&[&a], None));
        host.await_log(1);
        assert_eq!(host.sync_group(&[&b], None), ["updated"]);
        assert!(!hung.is_finished());
        drop(gate);
        assert_eq!(hung.join().unwrap(), ["updated"]);
    });
    assert_eq!(host.log(), ["gate", "b"]);
    assert_eq!(host.names(), ["a", "b"]);
}

#[test]
fn five_checks_that_hang_keep_no_sixth_group() {
    for when in ["", " # {{.src}}"] {
        let mut host = Host::new();
        let hanging = resources(&mut host, 5, &check(&(through("gate") + when)));
        let sixth = changed(&mut host, "sixth", &check("true"));
        thread::scope(|scope| {
            let gate = host.close("gate");
            let passes: Vec<_> = hanging
                .iter()
                .map(|resource| scope.spawn(|| host.sync_group(&[resource], None)))
                .collect();
            host.await_log(5);
            assert_eq!(host.sync_group(&[&sixth], None), ["updated"]);
            assert!(!passes.iter().any(|pass| pass.is_finished()));
            drop(gate);
            for pass in passes {
                assert_eq!(pass.join().unwrap(), ["updated"]);
            }
        });
    }
}

#[test]
fn as_many_commands_as_may_run_at_once_and_the_next_one_when_one_ends() {
    let mut host = Host::new();
    fs::create_dir(host.path("running")).unwrap();
    let counted = |gate: &str| {
        let count = "touch @DIR@/running/$$; ls @DIR@/running | wc -l >> @DIR@/log";
        let wait = format!("flock -s @DIR@/{gate} true; rm @DIR@/running/$$");
        check(&format!("{count}; {wait} # {{{{.src}}}}"))
    };
    let first = changed(&mut host, "first", &counted("first"));
    let others = resources(&mut host, COMMANDS, &counted("others"));
    thread::scope(|scope| {
        let (one, all) = (host.close("first"), host.close("others"));
        let first = scope.spawn(|| host.sync_group(&[&first], None));
        host.await_log(1);
        let others: Vec<_> = others
            .iter()
            .map(|resource| scope.spawn(|| host.sync_group(&[resource], None)))
            .collect();
        await_that("all are staged", || host.names().len() == COMMANDS + 1);
        host.await_log(COMMANDS);
        drop(one);
        host.await_log(COMMANDS + 1);
        assert_eq!(first.join().unwrap(), ["updated"]);
        assert!(!others.iter().any(|pass| pass.is_finished()));
        drop(all);
        for pass in others {
            assert_eq!(pass.join().unwrap(), ["updated"]);
        }
    });
    let at_once = host.log().into_iter().map(|count| count.parse().unwrap());
    assert_eq!(at_once.max(), Some(COMMANDS));
}

#[test]
fn being_told_to_stop_ends_the_wait_for_other_commands_to_end() {
    let mut host = Host::new();
    let hanging = resources(&mut host, COMMANDS, &check(&through("gate")));
    let late = changed(
        &mut host,
        "late",
        &check("echo late >> @DIR@/log # {{.src}}"),
    );
    let cancel = Cancel::new().unwrap();
    thread::scope(|scope| {
        let gate = host.close("gate");
        for resource in &hanging {
            scope.spawn(|| host.sync_group(&[resource], None));
        }
        host.await_log(COMMANDS);
        let late = scope.spawn(|| host.sync_group(&[&late], Some(&cancel)));
        await_that("it is staged", || {
            host.names().iter().any(|name| name.starts_with(".late"))
        });
        cancel.cancel();
        assert_eq!(late.join().unwrap(), ["given up: stopping"]);
        assert!(!host.names().iter().any(|name| name.contains("late")));
        drop(gate);
    });
    assert_eq!(host.log(), vec!["gate"; COMMANDS]);
}

/// One group, since they share a check. Each has a reload of its own.
fn two_transactions(host: &mut Host, check: &str) -> (Resource, Resource) {
    let fields = |reload: &str| format!("check_cmd = \"{check}\"\nreload_cmd = \"{reload}\"");
    let a = changed(host, "a", &fields(&through("a")));
    (a, changed(host, "b", &fields(&through("b"))))
}

#[test]
fn a_group_is_rendered_before_its_first_command_and_keeps_no_snapshot() {
    let mut host = Host::new();
    let (a, b) = two_transactions(&mut host, "true");
    let snapshot = host.snapshot();
    let kept = Arc::downgrade(&snapshot);
    thread::scope(|scope| {
        let gate = host.close("a");
        let pass = scope.spawn(|| host.syncer().sync(&[&a, &b], snapshot, None));
        host.await_log(1);
        assert_eq!(host.names(), [".a.owed", "a"]);
        assert!(kept.upgrade().is_none());
        drop(gate);
        assert_eq!(pass.join().unwrap().len(), 2);
    });
    assert_eq!(host.read("out/b"), "new\n");
    assert_eq!(host.log(), ["a", "b"]);
}

#[test]
fn of_several_groups_the_last_one_lets_the_snapshot_go() {
    let mut host = Host::new();
    let a = changed(&mut host, "a", &reload(&through("one")));
    let b = changed(&mut host, "b", &reload(&through("two")));
    let snapshot = host.snapshot();
    let kept = Arc::downgrade(&snapshot);
    thread::scope(|scope| {
        let (one, two) = (host.close("one"), host.close("two"));
        let pass = scope.spawn(|| host.syncer().sync(&[&a, &b], snapshot, None));
        host.await_log(1);
        assert!(kept.upgrade().is_some());
        drop(one);
        host.await_log(2);
        assert!(kept.upgrade().is_none());
        drop(two);
        assert_eq!(pass.join().unwrap().len(), 2);
    });
}

#[test]
fn reloads_are_held_back_from_the_next_transaction_on() {
    let mut host = Host::new();
    let (a, b) = two_transactions(&mut host, &through("check"));
    thread::scope(|scope| {
        let gate = host.close("check");
        let pass = scope.spawn(|| host.sync_group(&[&a, &b], None));
        host.await_log(1);
        host.syncer().hold_reloads(true);
        drop(gate);
        assert_eq!(pass.join().unwrap(), ["updated", "updated"]);
    });
    assert_eq!(host.log(), ["check", "a", "check"]);
    assert_eq!(host.names(), ["a", "b"]);
}

#[test]
fn a_reload_that_was_owed_while_reloads_were_held_is_made_up_for() {
    let mut host = Host::with(Options {
        hold_reloads: true,
        ..Options::default()
    });
    let resource = host.resource("a", &reload("echo reload >> @DIR@/log"));
    host.put("/a", "1");
    host.write("out/a", "1\n");
    host.write("out/.a.owed", "");
    for (hold, names) in [(true, vec![".a.owed", "a"]), (false, vec!["a"])] {
        host.syncer().hold_reloads(hold);
        assert_eq!(host.sync(&[&resource]), ["in step"]);
        assert_eq!(host.names(), names);
    }
    assert_eq!(host.log(), ["reload"]);
}

#[test]
fn one_file_is_not_worked_on_twice_at_once() {
    let mut host = Host::new();
    let resource = changed(&mut host, "a", &check(&through("gate")));
    thread::scope(|scope| {
        let gate = host.close("gate");
        let pass = scope.spawn(|| host.sync_group(&[&resource], None));
        host.await_log(1);
        assert_eq!(
            host.sync_group(&[&resource], None),
            ["cannot replace @DIR@/out/a: it is being replaced already"]
        );
        assert_eq!(host.names(), [".a.absent", "a"]);
        drop(gate);
        assert_eq!(pass.join().unwrap(), ["updated"]);
    });
    assert_eq!(host.sync(&[&resource]), ["in step"]);
}

#[test]
fn a_staged_file_is_not_swept_for_a_neighbour_with_a_shorter_name() {
    let mut host = Host::new();
    let a1 = changed(&mut host, "a1", &check(&(through("gate") + " # {{.src}}")));
    let a = changed(&mut host, "a", "");
    thread::scope(|scope| {
        let gate = host.close("gate");
        let pass = scope.spawn(|| host.sync_group(&[&a1], None));
        host.await_log(1);
        assert_eq!(host.sync_group(&[&a], None), ["updated"]);
        drop(gate);
        assert_eq!(pass.join().unwrap(), ["updated"]);
    });
    assert_eq!(host.names(), ["a", "a1"]);
}

#[test]
fn what_was_told_of_a_file_is_not_told_again_when_it_is_in_another_group() {
    let mut host = Host::new();
    let fails = "check_cmd = \"echo checked; false\"";
    let failing = |host: &mut Host, reload: &str| {
        let resource = changed(host, "a", &format!("{fails}\nreload_cmd = \"{reload}\""));
        let (outcomes, mut lines) = record(|| host.sync_group(&[&resource], None));
        assert_eq!(outcomes, ["Config check failed: exit status 1"]);
        lines.retain(|line| line.starts_with("ERROR"));
        lines
    };
    assert_eq!(failing(&mut host, "one"), ["ERROR checked"]);
    assert_eq!(failing(&mut host, "other"), [""; 0]);
}

#[test]
fn many_groups_in_one_directory_and_from_one_template_are_brought_in_step_side_by_side() {
    let mut host = Host::new();
    let fields = "check_cmd = \"grep -q new {{.src}}\"\nreload_cmd = \"echo >> {{.dest}}.log\"";
    let mut resources = resources(&mut host, 40, fields);
    host.write(
        "templates/all.tmpl",
        "{{range gets \"/*\"}}{{.Value}}{{end}}",
    );
    for resource in &mut resources {
        resource.src = host.path("templates/all.tmpl");
        resource.keys = vec!["/".to_owned()];
    }
    for expected in [Synced::Updated, Synced::InStep] {
        thread::scope(|scope| {
            let passes: Vec<_> = resources
                .iter()
                .map(|resource| {
                    let snapshot = host.snapshot();
                    scope.spawn(|| host.syncer().sync_group(&[resource], snapshot, None))
                })
                .collect();
            for outcomes in passes.into_iter().map(|pass| pass.join().unwrap()) {
                assert_eq!(outcomes.len(), 1);
                assert_eq!(outcomes[0].result.as_ref().unwrap(), &expected);
            }
        });
    }
    assert!(host.names().iter().all(|name| !name.starts_with('.')));
    for resource in &resources {
        let log = fs::read_to_string(resource.dest.with_extension("log")).unwrap();
        assert_eq!(log, "\n");
    }
}
