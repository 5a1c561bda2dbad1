use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use crate::host::Host;
use crate::rights::is_root_for;

fn open_to_all(host: &Host) {
    fs::set_permissions(host.path("out"), fs::Permissions::from_mode(0o1777)).unwrap();
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
    let out = host.path("");
    let theirs = |name: &str| lchown(out.join(name), Some(65534), Some(65534)).unwrap();

    symlink("../precious", host.path("out/a")).unwrap();
    theirs("out/a");
    let refused = |doing| format!("cannot {doing} @DIR@/out/a: Permission denied (os error 13)");
    assert_eq!(host.sync(&[&resource]), [refused("find")]);

    fs::remove_file(host.path("out/a")).unwrap();
    for name in ["out/.a.previous", "out/.a.absent"] {
        host.write("out/a", "old\n");
        host.write(name, "theirs\n");
        theirs(name);
        assert_eq!(host.sync(&[&resource]), [refused("put back")]);
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
