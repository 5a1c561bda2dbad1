use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use renderer::options::Options;

use crate::host::Host;
use crate::rights::{is_root, is_root_for};

fn mode(host: &Host, name: &str) -> u32 {
    let metadata = fs::metadata(host.path(name)).unwrap();
    metadata.permissions().mode() & 0o7777
}

#[test]
fn a_new_file_can_be_read_by_all_and_an_old_one_keeps_its_mode() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.put("/a", "1");
    host.sync(&[&resource]);
    assert_eq!(mode(&host, "out/a"), 0o644);

    fs::set_permissions(host.path("out/a"), fs::Permissions::from_mode(0o751)).unwrap();
    host.put("/a", "2");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(mode(&host, "out/a"), 0o751);
}

#[test]
fn a_mode_alone_is_a_change() {
    let mut host = Host::new();
    let resource = host.resource(
        "a",
        "mode = \"600\"\nreload_cmd = \"echo reload >> @DIR@/log\"",
    );
    host.write("out/a", "1\n");
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(mode(&host, "out/a"), 0o600);
    assert_eq!(host.log(), ["reload"]);
}

#[test]
fn owner_and_group_are_honoured() {
    if !is_root_for("files are given to others") {
        return;
    }
    let mut host = Host::new();
    let (user, group) = ("daemon", "adm");
    let resource = host.resource("a", &format!("owner = \"{user}\"\ngroup = \"{group}\""));
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    let id = |path: &str, name: &str| -> u32 {
        let table = fs::read_to_string(path).unwrap();
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")));
        line.unwrap().split(':').nth(2).unwrap().parse().unwrap()
    };
    let metadata = fs::metadata(host.path("out/a")).unwrap();
    assert_eq!(metadata.uid(), id("/etc/passwd", user));
    assert_eq!(metadata.gid(), id("/etc/group", group));
    assert_eq!(host.sync(&[&resource]), ["in step"]);
}

#[test]
fn numbers_win_over_names() {
    let mut host = Host::new();
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let resource = host.resource(
        "a",
        &format!(
            "owner = \"no-such-user\"\ngroup = \"no-such-group\"\nuid = {}\ngid = {}",
            uid.as_raw(),
            gid.as_raw()
        ),
    );
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
}

#[test]
fn an_unknown_owner_is_an_error_that_names_it() {
    let mut host = Host::new();
    let owner = host.resource("a", "owner = \"no-such-user\"");
    let group = host.resource("b", "group = \"no-such-group\"");
    host.put("/a", "1");
    host.put("/b", "1");
    assert_eq!(
        host.sync(&[&owner, &group]),
        [
            "there is no user \"no-such-user\" on this host",
            "there is no group \"no-such-group\" on this host"
        ]
    );
    assert_eq!(host.names(), [""; 0]);
}

#[test]
fn a_file_of_another_owner_becomes_ours_as_in_confd() {
    if !is_root_for("a file is given to somebody else") {
        return;
    }
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.write("out/a", "1\n");
    chown(host.path("out/a"), Some(33), Some(34)).unwrap();
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    let metadata = fs::metadata(host.path("out/a")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (0, 0));
}

#[test]
fn a_link_at_dest_stays_a_link() {
    let mut host = Host::new();
    let resource = host.resource("a", "check_cmd = \"ls -A @DIR@/real >> @DIR@/log\"");
    fs::create_dir(host.path("real")).unwrap();
    symlink("../real/app.conf", host.path("out/a")).unwrap();
    for value in ["1", "2"] {
        host.put("/a", value);
        assert_eq!(host.sync(&[&resource]), ["updated"]);
        assert_eq!(host.read("real/app.conf"), format!("{value}\n"));
    }
    assert!(host.path("out/a").is_symlink());
    assert_eq!(
        host.log(),
        [
            ".app.conf.absent",
            "app.conf",
            ".app.conf.previous",
            "app.conf"
        ]
    );
}

#[test]
fn a_directory_that_is_missing_or_none_is_named() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.put("/a", "1");
    fs::remove_dir(host.path("out")).unwrap();
    assert_eq!(
        host.sync(&[&resource]),
        ["cannot write @DIR@/out/a: No such file or directory (os error 2)"]
    );
    host.write("out", "");
    assert_eq!(
        host.sync(&[&resource]),
        ["cannot find @DIR@/out/a: Not a directory (os error 20)"]
    );
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.put("/a", "1");
    fs::create_dir(host.path("out/a")).unwrap();
    assert_eq!(
        host.sync(&[&resource]),
        ["cannot read @DIR@/out/a: not a regular file"]
    );
}

#[test]
fn a_directory_that_must_not_be_written_is_named() {
    let mut host = Host::new();
    host.resource("a", "");
    host.put("/a", "1");
    let set = |name: &str, mode| {
        fs::set_permissions(host.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("out", 0o555);
    // Root heeds the mode, too, without this capability.
    let heedful = ["setpriv", "--bounding-set=-dac_override", "--"];
    let outcomes = host.sync_as(if is_root() { &heedful } else { &[] });
    set("out", 0o755);
    assert_eq!(
        outcomes,
        ["cannot write @DIR@/out/a: Permission denied (os error 13)"]
    );
    assert_eq!(host.names(), [""; 0]);
}

#[test]
fn a_disk_that_is_full_keeps_the_old_file_and_leaves_nothing() {
    let mut host = Host::new();
    host.resource("a", "reload_cmd = \"echo reload >> @DIR@/log\"");
    host.write("out/a", "old\n");
    host.put("/a", &"x".repeat(5000));
    // No file may grow beyond 1 KiB, or two, depending on the shell.
    let full = "trap '' XFSZ; ulimit -f 2; exec \"$@\"";
    assert_eq!(
        host.sync_as(&["sh", "-c", full, "sh"]),
        ["cannot write @DIR@/out/a: File too large (os error 27)"]
    );
    assert_eq!(host.read("out/a"), "old\n");
    assert_eq!(host.names(), ["a"]);
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn noop_tells_of_a_reload_that_is_owed() {
    let mut host = Host::with(Options {
        noop: true,
        ..Options::default()
    });
    let resource = host.resource("a", "reload_cmd = \"true\"");
    host.put("/a", "old");
    host.write("out/a", "old\n");
    host.write("out/.a.owed", "");
    assert_eq!(
        host.sync(&[&resource]),
        ["pending:\n@DIR@/out/a has been replaced, and its reload is owed\n (reload owed)"]
    );
    assert_eq!(host.names(), [".a.owed", "a"]);
}

#[test]
fn noop_runs_checks_of_staged_files_and_leaves_nothing() {
    let mut host = Host::with(Options {
        noop: true,
        ..Options::default()
    });
    let good = host.resource("a", "check_cmd = \"grep -q new {{.src}}\"");
    let bad = host.resource("b", "check_cmd = \"grep -q old {{.src}}\"");
    let swapped = host.resource("c", "check_cmd = \"echo checked >> @DIR@/log; false\"");
    host.put("/a", "new");
    host.put("/b", "new");
    host.put("/c", "new");
    let outcomes = host.sync(&[&good, &bad, &swapped]);
    assert!(outcomes[0].starts_with("pending:\n"), "{outcomes:?}");
    assert_eq!(
        outcomes[1],
        "pending, but Config check failed: exit status 1"
    );
    assert!(outcomes[2].starts_with("pending:\n"), "{outcomes:?}");
    assert_eq!(
        host.log(),
        [""; 0],
        "what reads swapped-in files is not run"
    );
    assert_eq!(host.names(), [""; 0]);
}

#[test]
fn noop_tells_the_difference_and_touches_nothing() {
    let mut host = Host::with(Options {
        noop: true,
        ..Options::default()
    });
    let resource = host.resource("a", "reload_cmd = \"echo reload >> @DIR@/log\"");
    host.put("/a", "new");
    assert_eq!(
        host.sync(&[&resource]),
        ["pending:\n--- /dev/null\n+++ @DIR@/out/a\n@@ -0,0 +1 @@\n+new\n"]
    );
    host.write("out/a", "old\n");
    host.write("out/.a.previous", "older\n");
    let outcomes = host.sync(&[&resource]);
    assert_eq!(
        outcomes,
        ["pending:\n--- @DIR@/out/a\n+++ @DIR@/out/a\n@@ -1 +1 @@\n-old\n+new\n"]
    );
    host.put("/a", "old");
    assert_eq!(host.sync(&[&resource]), ["in step"]);
    let stricter = host.resource("a", "mode = \"0600\"");
    assert_eq!(
        host.sync(&[&stricter]),
        ["pending:\n@DIR@/out/a has mode -rw-r--r-- should be -rw-------\n"]
    );
    assert_eq!(host.names(), [".a.previous", "a"]);
    assert_eq!(host.log(), [""; 0]);
}

#[test]
fn a_kept_stage_file_outlives_a_failed_check_and_the_next_sync() {
    let mut host = Host::with(Options {
        keep_stage_file: true,
        ..Options::default()
    });
    let resource = host.resource("a", "check_cmd = \"false # {{.src}}\"");
    host.put("/a", "1");
    host.sync(&[&resource]);
    let kept = host.names();
    assert_eq!(kept.len(), 1);
    assert_eq!(host.read(&format!("out/{}", kept[0])), "1\n");
    let keep = Options {
        keep_stage_file: true,
        ..Options::default()
    };
    host.restart(keep);
    host.sync(&[&resource]);
    assert_eq!(host.names().len(), 2);
    host.restart(Options::default());
    host.sync_until_names_are(&[&resource], &[]);
}

#[test]
fn a_template_that_changes_is_parsed_again() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.put("/a", "1");
    host.sync(&[&resource]);
    host.write("templates/a.tmpl", "changed: {{getv \"/a\"}}");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.read("out/a"), "changed: 1");
    fs::remove_file(host.path("templates/a.tmpl")).unwrap();
    assert_eq!(
        host.sync(&[&resource]),
        ["Missing template: @DIR@/templates/a.tmpl"]
    );
    assert_eq!(host.read("out/a"), "changed: 1");
}

#[test]
fn a_prefix_of_the_run_replaces_that_of_the_resource() {
    let mut host = Host::with(Options {
        prefix: Some("A".to_owned()),
        ..Options::default()
    });
    let resource = host.resource("a", "prefix = \"/B\"");
    host.put("/A/a", "of the run");
    host.put("/B/a", "of the resource");
    host.sync(&[&resource]);
    assert_eq!(host.read("out/a"), "of the run\n");
    host.restart(Options::default());
    host.sync(&[&resource]);
    assert_eq!(host.read("out/a"), "of the resource\n");
}

#[test]
fn a_required_key_that_is_missing_keeps_the_last_good_file() {
    let mut host = Host::new();
    let resource = host.resource("a", "require = [\"/a/*\"]");
    host.write("out/a", "old\n");
    host.put("/a", "new");
    assert_eq!(
        host.sync(&[&resource]),
        ["no key matches /a/*, which is required"]
    );
    assert_eq!(host.read("out/a"), "old\n");
}
