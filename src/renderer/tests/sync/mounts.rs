use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::host::Host;
use crate::rights::own_mounts;

/// Mounts the file by itself.
const ITSELF: &str = "mount --bind out/a out/a";

/// Runs the child between two bits of shell, where the system lets us mount.
pub fn sync_between(host: &Host, mount: &str, after: &str) -> Option<Vec<String>> {
    let wrapper = own_mounts()?;
    let dir = host.dir().display();
    let script = format!("set -e; cd '{dir}'; {mount}; \"$@\"; {after}");
    Some(host.sync_as(&[wrapper, &["sh", "-c", &script, "sh"]].concat()))
}

fn mode(host: &Host) -> u32 {
    fs::metadata(host.path("out/a")).unwrap().mode() & 0o7777
}

#[test]
fn a_file_that_is_mounted_by_itself_is_written_in_place() {
    let mut host = Host::new();
    for check in ["", "check_cmd = \"cat @DIR@/out/a >> @DIR@/log\""] {
        host.resource("a", &format!("mode = \"0640\"\n{check}"));
        host.write("out/a", "old, and longer than the new one\n");
        let before = fs::metadata(host.path("out/a")).unwrap().ino();
        host.put("/a", "new");
        let Some(outcomes) = sync_between(&host, ITSELF, "true") else {
            return;
        };
        assert_eq!(outcomes, ["updated"]);
        assert_eq!(host.read("out/a"), "new\n");
        assert_eq!(fs::metadata(host.path("out/a")).unwrap().ino(), before);
        assert_eq!(mode(&host), 0o640);
        assert_eq!(host.names(), ["a"]);
    }
    assert_eq!(host.log(), ["new"]);
}

#[test]
fn a_mounted_file_gets_its_old_contents_back_when_the_check_fails() {
    let mut host = Host::new();
    host.resource(
        "a",
        "mode = \"0600\"\ncheck_cmd = \"cat @DIR@/out/a >> @DIR@/log; false\"",
    );
    host.write("out/a", "old\n");
    host.put("/a", "new");
    let Some(outcomes) = sync_between(&host, ITSELF, "true") else {
        return;
    };
    assert_eq!(outcomes, ["Config check failed: exit status 1"]);
    assert_eq!(host.log(), ["new"]);
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(mode(&host), 0o644);
    assert_eq!(host.names(), ["a"]);
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
