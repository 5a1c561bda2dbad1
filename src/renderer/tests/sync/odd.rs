use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use renderer::options::{Dialect, Options};
use renderer::sync::Syncer;

use crate::host::Host;
use crate::record::record;
use crate::rights::{is_root_for, skip};

const NOBODY: u32 = 65534;

const AS_NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// `out`, seen through a file system that does as it is told here.
struct Odd<'h>(&'h Host);

impl<'h> Odd<'h> {
    fn mount(host: &'h Host, how: &[&str]) -> Option<Self> {
        let real = host.path("real");
        fs::create_dir_all(&real).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o777)).unwrap();
        let mounted = Command::new("bindfs")
            .args(["--force-user=nobody", "--force-group=nogroup"])
            .args(how)
            .args([&real, &host.path("out")])
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(host));
        }
        skip("no bindfs, or not permitted to mount");
        None
    }
}

impl Drop for Odd<'_> {
    fn drop(&mut self) {
        let out = self.0.path("out");
        let ended = Command::new("umount").arg("--lazy").arg(out).status();
        assert!(ended.unwrap().success());
    }
}

fn in_dialect(dialect: Dialect) -> Options {
    Options {
        dialect,
        ..Options::default()
    }
}

fn warnings(lines: Vec<String>) -> Vec<String> {
    let warnings = lines.into_iter().filter(|line| line.starts_with("WARN "));
    warnings.collect()
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

#[test]
fn where_owner_and_mode_cannot_be_given_the_file_is_written_once() {
    let ways: [&[&str]; 3] = [
        &["--chown-ignore", "--chgrp-ignore"],
        &["--chown-deny", "--chgrp-deny"],
        &["--chmod-deny"],
    ];
    for way in ways {
        let mut host = Host::new();
        let resource = host.resource("a", "reload_cmd = \"echo reload >> @DIR@/log\"");
        let dir = host.dir().to_owned();
        host.put("/a", "1");
        let snapshot = host.snapshot().clone();
        let Some(_odd) = Odd::mount(&host, way) else {
            return;
        };
        for expected in ["updated", "in step", "in step"] {
            // Each time another process.
            let syncer = Syncer::default();
            let (outcomes, lines) = record(|| syncer.sync(&[&resource], snapshot.clone(), None));
            assert_eq!(crate::host::in_words(&outcomes[0]), expected, "{way:?}");
            assert_eq!(warnings(lines), [""; 0]);
            let (outcomes, _) = record(|| syncer.sync(&[&resource], snapshot.clone(), None));
            assert_eq!(crate::host::in_words(&outcomes[0]), "in step", "{way:?}");
        }
        assert_eq!(owner(&dir.join("out/a")), NOBODY);
        assert_eq!(host.log(), ["reload"]);
        assert_eq!(host.names(), ["a"]);
    }
}

#[test]
fn an_owner_or_mode_that_cannot_be_given_is_named() {
    let cases = [
        ("uid = 0", "--chown-deny", "make root (uid 0) its owner"),
        ("gid = 0", "--chgrp-deny", "make root (gid 0) its group"),
        ("mode = \"0640\"", "--chmod-deny", "give it mode 0640"),
    ];
    for (field, way, named) in cases {
        let mut host = Host::new();
        let resource = host.resource("a", field);
        host.put("/a", "1");
        let snapshot = host.snapshot().clone();
        let Some(_odd) = Odd::mount(&host, &[way]) else {
            return;
        };
        let refusal = format!("cannot {named}: Operation not permitted (os error 1)");
        let syncer = Syncer::default();
        let outcomes = syncer.sync(&[&resource], snapshot.clone(), None);
        assert_eq!(
            host.plain(&crate::host::in_words(&outcomes[0])),
            format!("cannot write @DIR@/out/a: {refusal}")
        );
        assert_eq!(host.names(), [""; 0]);

        let syncer = Syncer::new(in_dialect(Dialect::Confd));
        let (_, lines) = record(|| {
            for expected in ["updated", "in step", "in step"] {
                let outcomes = syncer.sync(&[&resource], snapshot.clone(), None);
                assert_eq!(crate::host::in_words(&outcomes[0]), expected);
            }
        });
        let warnings: Vec<_> = warnings(lines)
            .iter()
            .map(|line| host.plain(line))
            .collect();
        assert_eq!(
            warnings,
            [format!("WARN @DIR@/out/a: {refusal}; written all the same")]
        );
    }
}

#[test]
fn a_mode_that_is_ignored_is_a_warning_and_no_reason_to_write_again() {
    let mut host = Host::new();
    let resource = host.resource("a", "mode = \"0600\"");
    host.put("/a", "1");
    let snapshot = host.snapshot().clone();
    let Some(_odd) = Odd::mount(&host, &["--chmod-ignore", "--perms=0644"]) else {
        return;
    };
    let syncer = Syncer::default();
    let (_, lines) = record(|| {
        for expected in ["updated", "in step", "in step"] {
            let outcomes = syncer.sync(&[&resource], snapshot.clone(), None);
            assert_eq!(crate::host::in_words(&outcomes[0]), expected);
        }
    });
    assert_eq!(
        warnings(lines)
            .iter()
            .map(|line| host.plain(line))
            .collect::<Vec<_>>(),
        [
            "WARN @DIR@/out/a: cannot give it mode 0600: the file system does not do so; written all the same"
        ]
    );
}

#[test]
fn an_owner_that_the_host_does_not_know_is_one_warning_under_confd() {
    let mut host = Host::with(in_dialect(Dialect::Confd));
    let resource = host.resource("a", "owner = \"no-such-user\"\ngroup = \"no-such-group\"");
    host.put("/a", "1");
    let (_, lines) = record(|| {
        for expected in ["updated", "in step", "in step"] {
            assert_eq!(host.sync(&[&resource]), [expected]);
        }
    });
    let told: Vec<_> = warnings(lines)
        .iter()
        .map(|line| host.plain(line))
        .collect();
    assert_eq!(
        told,
        [
            "WARN @DIR@/out/a: there is no user \"no-such-user\" on this host; written all the same",
            "WARN @DIR@/out/a: there is no group \"no-such-group\" on this host; written all the same",
        ]
    );
}

#[test]
fn a_group_that_a_directory_gives_is_no_reason_to_write_again() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    let mut host = Host::new();
    let resource = host.resource("a", "");
    chown(host.path("out"), None, Some(34)).unwrap();
    fs::set_permissions(host.path("out"), fs::Permissions::from_mode(0o2755)).unwrap();
    host.put("/a", "1");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    for _ in 0..2 {
        host.restart(Options::default());
        assert_eq!(host.sync(&[&resource]), ["in step"]);
    }
}

#[test]
fn a_user_replaces_roots_file_in_his_own_directory_with_any_check() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    let checks = [
        ("", "updated"),
        ("check_cmd = \"true\"", "updated"),
        ("check_cmd = \"true # {{.src}}\"", "updated"),
        (
            "check_cmd = \"false\"",
            "Config check failed: exit status 1",
        ),
    ];
    for (check, expected) in checks {
        let mut host = Host::new();
        fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o777)).unwrap();
        chown(host.path("out"), Some(NOBODY), Some(NOBODY)).unwrap();
        host.resource("a", check);
        host.write("out/a", "old\n");
        host.put("/a", "new");
        assert_eq!(host.sync_as(&AS_NOBODY), [expected], "{check}");
        let (text, uid) = (host.read("out/a"), owner(&host.path("out/a")));
        let expected = if expected == "updated" {
            "new\n"
        } else {
            "old\n"
        };
        assert_eq!((text.as_str(), uid), (expected, NOBODY));
        assert_eq!(host.names(), ["a"]);
    }
}

#[test]
fn a_user_may_not_make_root_the_owner() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    for field in ["uid = 0", "owner = \"root\""] {
        let mut host = Host::new();
        fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o777)).unwrap();
        chown(host.path("out"), Some(NOBODY), Some(NOBODY)).unwrap();
        host.resource("a", field);
        host.put("/a", "new");
        assert_eq!(
            host.sync_as(&AS_NOBODY),
            [
                "cannot write @DIR@/out/a: cannot make root (uid 0) its owner: \
              Operation not permitted (os error 1)"
            ]
        );
        assert_eq!(host.names(), [""; 0]);
    }
}

#[test]
fn where_root_looks_like_nobody_its_directories_are_trusted_all_the_same() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    let mut host = Host::new();
    fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    chown(host.path("out"), Some(NOBODY), Some(NOBODY)).unwrap();
    host.resource("a", "");
    host.put("/a", "new");
    let space = ["unshare", "--user", "--map-root-user"];
    let way = [AS_NOBODY.as_slice(), &space].concat();
    let tried = Command::new(way[0]).args(&way[1..]).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        skip("no user name space to be had");
        return;
    }
    assert_eq!(host.sync_as(&way), ["updated"]);
    assert_eq!(owner(&host.path("out/a")), NOBODY);
}

#[test]
fn a_thousand_files_cost_few_descriptors() {
    let mut host = Host::new();
    let names: Vec<String> = (0..300).map(|number| format!("f{number}")).collect();
    for name in &names {
        host.resource(
            name,
            "check_cmd = \"true\"\nreload_cmd = \"echo reload >> @DIR@/log\"",
        );
        host.put(&format!("/{name}"), "new");
    }
    let outcomes = host.sync_as(&["sh", "-c", "ulimit -n 40; exec \"$@\"", "sh"]);
    assert_eq!(outcomes, vec!["updated"; names.len()]);
    assert_eq!(host.log(), ["reload"]);
    assert_eq!(host.names().len(), names.len());
}

#[test]
fn more_directories_than_descriptors_are_done_one_part_after_the_other() {
    let mut host = Host::new();
    for number in 0..100 {
        let name = format!("f{number}");
        host.resource(&name, "check_cmd = \"true\"\nreload_cmd = \"true\"");
        let file = host.path(&format!("conf.d/{name}.toml"));
        let text = fs::read_to_string(&file).unwrap();
        fs::create_dir(host.path(&format!("out/{number}"))).unwrap();
        let text = text.replace("/out/", &format!("/out/{number}/"));
        fs::write(file, text).unwrap();
        host.put(&format!("/{name}"), "new");
    }
    let few = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    let left = |outcomes: &[String]| {
        let failed = outcomes
            .iter()
            .filter(|outcome| outcome.contains("Too many open files"));
        failed.count()
    };
    let mut before = 101;
    while before > 0 {
        let now = left(&host.sync_as(&few));
        assert!(now < before, "{now} are left");
        before = now;
    }
    for number in 0..100 {
        assert_eq!(host.read(&format!("out/{number}/f{number}")), "new\n");
    }
}

#[test]
fn without_a_descriptor_to_spare_nothing_is_left_behind() {
    let mut host = Host::new();
    host.resource("a", "check_cmd = \"true\"\nreload_cmd = \"true\"");
    host.write("out/a", "old\n");
    host.put("/a", "new");
    for most in 5..16 {
        let limited = format!("ulimit -n {most}; exec \"$@\"");
        // With very few it cannot even begin.
        let _ = host.child(&["sh", "-c", &limited, "sh"]).output().unwrap();
        assert_eq!(host.names(), ["a"], "{most}");
        host.write("out/a", "old\n");
    }
}

#[test]
fn where_nothing_could_be_replaced_nothing_is_put_back() {
    let mut host = Host::new();
    host.resource("a", "check_cmd = \"true\"\nreload_cmd = \"true\"");
    host.write("out/a", "old\n");
    host.put("/a", "new");
    let mount = "mount --bind out/a out/a; mount -o remount,bind,ro out/a";
    let Some(outcomes) = crate::mounts::sync_between(&host, mount, "true") else {
        return;
    };
    assert_eq!(
        outcomes,
        ["cannot replace @DIR@/out/a: Read-only file system (os error 30)"]
    );
    assert_eq!(host.names(), ["a"]);

    let immutable = Command::new("chattr")
        .arg("+i")
        .arg(host.path("out/a"))
        .status();
    if !immutable.is_ok_and(|status| status.success()) {
        skip("no file can be made immutable here");
        return;
    }
    let outcomes = host.sync_as(&["env"]);
    let freed = Command::new("chattr")
        .arg("-i")
        .arg(host.path("out/a"))
        .status();
    assert!(freed.unwrap().success());
    assert_eq!(
        outcomes,
        ["cannot replace @DIR@/out/a: Operation not permitted (os error 1)"]
    );
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn where_we_are_need_be_no_place_that_we_may_look_at() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    let mut host = Host::new();
    fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    chown(host.path("out"), Some(NOBODY), Some(NOBODY)).unwrap();
    let closed = host.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    host.resource("a", "");
    host.put("/a", "new");
    let script = format!("cd '{}' && exec \"$@\"", closed.display());
    let way = [&["sh", "-c", script.as_str(), "sh"], AS_NOBODY.as_slice()].concat();
    assert_eq!(host.sync_as(&way), ["updated"]);
}

#[test]
fn anothers_file_in_a_sticky_directory_stays_and_nothing_is_left_beside_it() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    let mut host = Host::new();
    fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(host.path("out"), fs::Permissions::from_mode(0o1777)).unwrap();
    host.write("out/a", "old\n");
    chown(host.path("out/a"), Some(33), Some(33)).unwrap();
    fs::set_permissions(host.path("out/a"), fs::Permissions::from_mode(0o666)).unwrap();
    host.resource("a", "check_cmd = \"true\"\nreload_cmd = \"true\"");
    host.put("/a", "new");
    for _ in 0..2 {
        let outcomes = host.sync_as(&AS_NOBODY);
        assert_eq!(
            outcomes,
            ["cannot replace @DIR@/out/a: Operation not permitted (os error 1)"]
        );
        assert_eq!(host.names(), ["a"]);
    }
}

#[test]
fn a_file_mounted_by_itself_is_not_rewritten_for_its_owner() {
    if !is_root_for("it is run as somebody else") {
        return;
    }
    let mut host = Host::new();
    fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    chown(host.path("out"), Some(NOBODY), Some(NOBODY)).unwrap();
    host.write("source", "old\n");
    chown(host.path("source"), Some(33), Some(33)).unwrap();
    fs::set_permissions(host.path("source"), fs::Permissions::from_mode(0o666)).unwrap();
    host.write("out/a", "");
    chown(host.path("out/a"), Some(NOBODY), Some(NOBODY)).unwrap();
    host.resource("a", "check_cmd = \"true\"");
    host.put("/a", "new");
    let script = format!(
        "cd '{}' && mount --bind source out/a && \"$@\" && exec \"$@\"",
        host.dir().display()
    );
    let way = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    let outcomes = host.sync_as(&[&way, AS_NOBODY.as_slice()].concat());
    assert_eq!(outcomes, ["in step"], "the second time");
    assert_eq!(host.read("source"), "new\n");
}
