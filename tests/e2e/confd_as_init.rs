use std::os::unix::fs::symlink;
use std::process::Command;

use rustix::process::{Pid, Signal};

use crate::harness::rights::{own_processes, wrapped};
use crate::harness::running::{BINARY, children_of};
use crate::harness::{Confdir, Etcd, Running, SOON, eventually, register};

fn wait_for_children(of: u32, count: usize) {
    eventually(&format!("process 1 has {count} children"), SOON, || {
        let children = children_of(of);
        (children.len() == count)
            .then_some(())
            .ok_or(format!("{children:?}"))
    });
}

/// `confd` as process 1, whose reload leaves a process behind that ends a little later.
fn reaps_what_a_reload_leaves_behind(mut confd: Command) {
    let Some(wrapper) = own_processes() else {
        return;
    };
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    confdir.write("held", "");
    let held = confdir.path("held");
    let orphan = format!("while test -e {}; do sleep 0.05; done", held.display());
    let note = confdir.note("reloads");
    let reload = format!("setsid sh -c '{orphan}' >/dev/null 2>&1 & {note}");
    confdir.add("a.conf", &format!("reload_cmd = \"{reload}\""), "static");
    confd
        .args(["-interval", "3600", "-node", &etcd.url()])
        .args(["-confdir", &confdir.flag()]);
    let mut outside = Running::spawn(&mut wrapped(wrapper, &confd));
    confdir.wait_for("reloads", "done\n", SOON);
    let init = children_of(outside.id())[0];
    wait_for_children(init, 2);
    std::fs::remove_file(held).unwrap();
    wait_for_children(init, 1);
    let pid = Pid::from_raw(i32::try_from(init).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(outside.wait_for_exit(SOON), 0);
    let log = outside.log();
    assert!(
        log.contains("INFO Captured terminated. Exiting..."),
        "{log}"
    );
}

#[test]
fn register_confd_as_process_1_reaps_orphans() {
    let mut confd = register();
    confd.arg("confd");
    reaps_what_a_reload_leaves_behind(confd);
}

#[test]
fn a_program_called_confd_as_process_1_reaps_orphans() {
    let directory = tempfile::tempdir().unwrap();
    let confd = directory.path().join("confd");
    symlink(BINARY, &confd).unwrap();
    reaps_what_a_reload_leaves_behind(Command::new(confd));
}
