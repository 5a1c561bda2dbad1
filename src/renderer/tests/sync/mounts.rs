use std::process::Command;

use crate::host::Host;

/// In a name space of its own, what is mounted is gone with the process.
const UNSHARE: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];

/// Runs the child between two bits of shell, where the system lets us mount.
fn sync_between(host: &Host, mount: &str, after: &str) -> Option<Vec<String>> {
    let [program, args @ ..] = UNSHARE;
    let permitted = Command::new(program).args(args).arg("true").output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        eprintln!("not permitted to mount: nothing tried");
        return None;
    }
    let script = format!(
        "set -e; cd '{}'; {mount}; \"$@\"; {after}",
        host.dir().display()
    );
    Some(host.sync_as(&[UNSHARE.as_slice(), &["sh", "-c", &script, "sh"]].concat()))
}

#[test]
fn a_full_disk_keeps_the_old_file_and_leaves_nothing() {
    let mut host = Host::new();
    host.resource("a", "reload_cmd = \"echo reload >> @DIR@/log\"");
    host.put("/a", &"x".repeat(100_000));
    let mount = "mount -t tmpfs -o size=64k tmpfs out; echo old > out/a";
    let Some(outcomes) = sync_between(&host, mount, "ls -A out > seen; cat out/a >> seen") else {
        return;
    };
    assert_eq!(
        outcomes,
        ["cannot write @DIR@/out/a: No space left on device (os error 28)"]
    );
    assert_eq!(host.read("seen"), "a\nold\n");
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_disk_without_room_for_the_record_keeps_the_old_file() {
    let mut host = Host::new();
    host.resource("a", "reload_cmd = \"echo reload >> @DIR@/log\"");
    host.put("/a", "new");
    // The root, the old file, the staged one.
    let mount = "mount -t tmpfs -o nr_inodes=3 tmpfs out; echo old > out/a";
    let Some(outcomes) = sync_between(&host, mount, "ls -A out > seen; cat out/a >> seen") else {
        return;
    };
    assert_eq!(
        outcomes,
        ["cannot write @DIR@/out/.a.owed: No space left on device (os error 28)"]
    );
    assert_eq!(host.read("seen"), "a\nold\n");
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_disk_that_is_mounted_read_only_is_named() {
    let mut host = Host::new();
    host.resource("a", "");
    host.write("out/a", "old\n");
    host.put("/a", "new");
    let mount = "mount --bind out out; mount -o remount,bind,ro out";
    let Some(outcomes) = sync_between(&host, mount, "true") else {
        return;
    };
    assert_eq!(
        outcomes,
        ["cannot write @DIR@/out/a: Read-only file system (os error 30)"]
    );
    assert_eq!(host.read("out/a"), "old\n");
}

#[test]
fn a_mounted_file_on_a_full_disk_is_as_it_was() {
    let mut host = Host::new();
    host.resource("a", "");
    host.put("/a", &"x".repeat(30_000));
    host.write("out/a", "");
    // Room for the staged file, but not for its contents a second time.
    let mount = "mkdir full; mount -t tmpfs -o size=12k tmpfs full; echo old > full/a; \
                 mount --bind full/a out/a";
    let Some(outcomes) = sync_between(&host, mount, "cat full/a > seen") else {
        return;
    };
    assert_eq!(
        outcomes,
        ["cannot replace @DIR@/out/a: No space left on device (os error 28)"]
    );
    assert_eq!(host.read("seen"), "old\n");
    assert_eq!(host.names(), ["a"]);
}
