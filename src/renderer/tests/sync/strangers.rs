use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::process::Command;

use renderer::options::Options;

use crate::host::Host;
use crate::rights::is_root_for;

/// Whoever has the number that systems give to nobody.
const NOBODY: u32 = 65534;

fn open_to_all(host: &Host) {
    fs::set_permissions(host.path("out"), fs::Permissions::from_mode(0o1777)).unwrap();
}

fn give_away(host: &Host, name: &str) {
    lchown(host.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
}

/// `out` is nobody's, and root has something to lose.
fn in_nobodys_directory() -> Host {
    let mut host = Host::new();
    give_away(&host, "out");
    fs::create_dir(host.path("roots")).unwrap();
    host.write("roots/a", "precious\n");
    fs::set_permissions(host.path("roots/a"), fs::Permissions::from_mode(0o600)).unwrap();
    host.put("/a", "new");
    host
}

fn roots_files_are_as_they_were(host: &Host) {
    assert_eq!(host.read("roots/a"), "precious\n");
    let metadata = fs::metadata(host.path("roots/a")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o600, 0));
    let names: Vec<_> = fs::read_dir(host.path("roots")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

fn unsafe_path(what: &str) -> String {
    format!("cannot find @DIR@/out/a: unsafe path: {what}")
}

#[test]
fn what_somebody_else_put_into_a_directory_for_all_is_not_acted_on() {
    if !is_root_for("links and files are given to somebody else") {
        return;
    }
    let mut host = Host::new();
    let resource = host.resource("a", "reload_cmd = \"true\"");
    host.write("precious", "kept\n");
    host.put("/a", "new");
    open_to_all(&host);

    symlink("../precious", host.path("out/a")).unwrap();
    give_away(&host, "out/a");
    let whose = "@DIR@/out/a, which nobody (uid 65534) owns, is a symbolic link in a directory that \
                 all may write to";
    assert_eq!(host.sync(&[&resource]), [unsafe_path(whose)]);

    fs::remove_file(host.path("out/a")).unwrap();
    let refused = "cannot put back @DIR@/out/a: Permission denied (os error 13)";
    for name in ["out/.a.previous", "out/.a.absent"] {
        host.write("out/a", "old\n");
        host.write(name, "theirs\n");
        give_away(&host, name);
        assert_eq!(host.sync(&[&resource]), [refused]);
        assert_eq!(host.read("out/a"), "old\n");
        fs::remove_file(host.path(name)).unwrap();
    }

    symlink("../precious", host.path("out/.a.owed")).unwrap();
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.read("precious"), "kept\n");
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn our_own_link_in_a_directory_for_all_is_followed() {
    let mut host = Host::new();
    let resource = host.resource("a", "");
    host.put("/a", "new");
    open_to_all(&host);
    symlink("../real", host.path("out/a")).unwrap();
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert_eq!(host.read("real"), "new\n");
}

#[test]
fn nobodys_link_at_dest_does_not_lead_root_to_roots_file() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let resource = host.resource("a", "mode = \"0666\"\nowner = \"nobody\"");
    let whose = "@DIR@/out/a, which nobody (uid 65534) owns, is a symbolic link into @DIR@/roots, \
                 which root (uid 0) owns, and they must have one owner";
    for way in ["../roots/a", "@DIR@/roots/a", "@DIR@/roots/new"] {
        let way = way.replace("@DIR@", host.dir().to_str().unwrap());
        symlink(way, host.path("out/a")).unwrap();
        give_away(&host, "out/a");
        assert_eq!(host.sync(&[&resource]), [unsafe_path(whose)]);
        roots_files_are_as_they_were(&host);
        fs::remove_file(host.path("out/a")).unwrap();
    }
}

#[test]
fn a_dry_run_does_not_read_roots_file_through_nobodys_link() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let resource = host.resource("a", "");
    symlink("../roots/a", host.path("out/a")).unwrap();
    give_away(&host, "out/a");
    host.restart(Options {
        noop: true,
        ..Options::default()
    });
    let outcomes = host.sync(&[&resource]);
    assert!(!outcomes[0].contains("precious"), "{outcomes:?}");
    assert!(outcomes[0].starts_with("cannot find"), "{outcomes:?}");
}

#[test]
fn nobodys_link_on_the_way_does_not_lead_root_into_roots_directory() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let mut resource = host.resource("a", "");
    resource.dest = host.path("out/sub/a");
    symlink("../roots", host.path("out/sub")).unwrap();
    give_away(&host, "out/sub");
    let outcomes = host.sync(&[&resource]);
    assert_eq!(
        outcomes,
        [
            "cannot find @DIR@/out/sub/a: unsafe path: @DIR@/out/sub, which nobody (uid 65534) owns, \
             is a symbolic link into @DIR@/roots, which root (uid 0) owns, and they must have one \
             owner"
        ]
    );
    roots_files_are_as_they_were(&host);
}

#[test]
fn roots_directory_in_nobodys_is_not_entered() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let mut resource = host.resource("a", "");
    resource.dest = host.path("out/sub/a");
    fs::rename(host.path("roots"), host.path("out/sub")).unwrap();
    let outcomes = host.sync(&[&resource]);
    assert_eq!(
        outcomes,
        [
            "cannot find @DIR@/out/sub/a: unsafe path: @DIR@/out, which nobody (uid 65534) owns, \
             leads to @DIR@/out/sub, which root (uid 0) owns, and they must have one owner"
        ]
    );
    assert_eq!(host.read("out/sub/a"), "precious\n");
}

#[test]
fn nobodys_link_to_what_is_nobodys_is_followed_time_after_time() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let resource = host.resource("a", "");
    for (name, way) in [("real", "real"), ("other", "@DIR@/out/other")] {
        host.write(&format!("out/{name}"), "old\n");
        give_away(&host, &format!("out/{name}"));
        let way = way.replace("@DIR@", host.dir().to_str().unwrap());
        symlink(way, host.path("out/a")).unwrap();
        give_away(&host, "out/a");
        for value in ["1", "2"] {
            host.put("/a", value);
            assert_eq!(host.sync(&[&resource]), ["updated"]);
            assert_eq!(host.read(&format!("out/{name}")), format!("{value}\n"));
        }
        assert!(host.path("out/a").is_symlink());
        fs::remove_file(host.path("out/a")).unwrap();
    }
}

#[test]
fn a_plain_file_in_nobodys_directory_is_replaced_whosever_it_is() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let resource = host.resource("a", "check_cmd = \"true\"");
    for value in ["1", "2"] {
        host.put("/a", value);
        assert_eq!(host.sync(&[&resource]), ["updated"]);
    }
    // Nobody's second name for root's file.
    fs::remove_file(host.path("out/a")).unwrap();
    fs::hard_link(host.path("roots/a"), host.path("out/a")).unwrap();
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    roots_files_are_as_they_were(&host);
    assert_eq!(host.names(), ["a"]);
}

#[test]
fn nobodys_file_does_not_become_roots_program() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let resource = host.resource("a", "");
    host.write("out/a", "old\n");
    give_away(&host, "out/a");
    fs::set_permissions(host.path("out/a"), fs::Permissions::from_mode(0o6755)).unwrap();
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    let mode = fs::metadata(host.path("out/a")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(host.sync(&[&resource]), ["in step"]);
}

#[test]
fn what_is_swapped_between_look_and_rename_leads_nowhere_else() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    for check in ["true # {{.src}}", "true"] {
        let mut host = in_nobodys_directory();
        host.write("out/a", "old\n");
        let swap = "mv @DIR@/out @DIR@/walked; ln -s @DIR@/roots @DIR@/out";
        let resource = host.resource("a", &format!("check_cmd = \"{swap}; {check}\""));
        assert_eq!(host.sync(&[&resource]), ["updated"]);
        assert_eq!(host.read("walked/a"), "new\n");
        roots_files_are_as_they_were(&host);
        let walked: Vec<_> = fs::read_dir(host.path("walked")).unwrap().collect();
        assert_eq!(walked.len(), 1, "{walked:?}");
    }
}

#[test]
fn a_link_put_in_the_files_place_is_replaced_and_not_followed() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = in_nobodys_directory();
    let swap = "ln -sf @DIR@/roots/a @DIR@/out/a # {{.src}}";
    let resource = host.resource("a", &format!("check_cmd = \"{swap}\""));
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    assert!(!host.path("out/a").is_symlink());
    assert_eq!(host.read("out/a"), "new\n");
    roots_files_are_as_they_were(&host);
}

#[test]
fn a_fifo_keeps_nobody_waiting() {
    for name in ["out/a", "out/.a.previous", "out/.a000000001"] {
        let mut host = Host::new();
        let resource = host.resource("a", "");
        host.put("/a", "new");
        let made = Command::new("mkfifo").arg(host.path(name)).status();
        assert!(made.unwrap().success());
        let expected = match name {
            "out/a" => "cannot read @DIR@/out/a: not a regular file",
            "out/.a.previous" => "cannot put back @DIR@/out/a: not a regular file",
            _ => "updated",
        };
        assert_eq!(host.sync(&[&resource]), [expected]);
    }
}

#[test]
fn a_strangers_file_does_not_say_who_else_may_write_ours() {
    if !is_root_for("files are given to somebody else") {
        return;
    }
    let mut host = Host::new();
    open_to_all(&host);
    host.write("out/a", "theirs\n");
    fs::set_permissions(host.path("out/a"), fs::Permissions::from_mode(0o666)).unwrap();
    give_away(&host, "out/a");
    let resource = host.resource("a", "");
    host.put("/a", "new");
    assert_eq!(host.sync(&[&resource]), ["updated"]);
    let metadata = fs::metadata(host.path("out/a")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o664, 0));
}
