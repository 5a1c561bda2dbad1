use std::process::Command;

use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Running, SOON, register};

const KEYS: &str = "keys = [\"/a\"]";
const VALUE: &str = "{{getv \"/a\"}}";

fn with_a_key() -> Etcd {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/a", "1"]);
    etcd
}

fn confd(etcd: &Etcd, confdir: &Confdir, flags: &[&str]) -> Command {
    let mut command = register();
    command
        .args(["confd", "-node", &etcd.url()])
        .args(["-confdir", &confdir.flag()])
        .args(["-config-file", "/does/not/exist"])
        .args(flags);
    command
}

/// Without time, host and tag, from the first resource on.
fn messages(log: &str, confdir: &Confdir) -> Vec<String> {
    let messages = log.lines().map(|line| {
        let (_, message) = line.split_once("]: ").unwrap();
        message.replace(&confdir.flag(), "@DIR@")
    });
    messages.skip(3).collect()
}

fn checked(command: &str) -> String {
    format!("{KEYS}\ncheck_cmd = \"{command}; : {{{{.src}}}}\"")
}

fn reloaded(command: &str) -> String {
    format!("{KEYS}\nreload_cmd = \"{command}\"")
}

fn out_of_sync(name: &str) -> String {
    format!("INFO Target config @DIR@/out/{name} out of sync")
}

/// One of each kind of failure, each of which takes another time.
fn that_fails() -> Confdir {
    let confdir = Confdir::new();
    confdir.add("a", &checked("sleep 0.3; echo no; exit 1"), VALUE);
    confdir.add("b", KEYS, VALUE);
    confdir.add("c", KEYS, "{{getv \"/no\"}}");
    confdir.add("d", KEYS, VALUE);
    std::fs::remove_file(confdir.path("templates/d.tmpl")).unwrap();
    confdir.add("e", &reloaded("sleep 0.1; echo bad; exit 3"), VALUE);
    confdir.add("f", &checked("exit 2"), VALUE);
    confdir
}

/// What confd 0.16 says of it.
fn in_confds_order() -> Vec<String> {
    let missing = "ERROR template: c.tmpl:1:2: executing \"c.tmpl\" at <getv \"/no\">: \
                   error calling getv: key does not exist: /no";
    vec![
        out_of_sync("a"),
        "ERROR \"no\\n\"".to_owned(),
        "ERROR Config check failed: exit status 1".to_owned(),
        out_of_sync("b"),
        "INFO Target config @DIR@/out/b has been updated".to_owned(),
        missing.to_owned(),
        "ERROR Missing template: @DIR@/templates/d.tmpl".to_owned(),
        out_of_sync("e"),
        "ERROR \"bad\\n\"".to_owned(),
        "ERROR exit status 3".to_owned(),
        out_of_sync("f"),
        "ERROR \"\"".to_owned(),
        "ERROR Config check failed: exit status 2".to_owned(),
    ]
}

#[test]
fn in_one_pass_each_resources_lines_come_together_and_in_the_order_of_the_files() {
    let (etcd, confdir) = (with_a_key(), that_fails());
    let (code, _, log) = outcome(&mut confd(&etcd, &confdir, &["-onetime"]));
    let mut expected = in_confds_order();
    expected.push("FATAL Config check failed: exit status 2".to_owned());
    assert_eq!((code, messages(&log, &confdir)), (1, expected));
}

#[test]
fn while_polling_they_do_too() {
    let (etcd, confdir) = (with_a_key(), that_fails());
    let proxy = Running::spawn(&mut confd(&etcd, &confdir, &["-interval", "3600"]));
    let expected = in_confds_order();
    proxy.wait_for_log("failed: exit status 2", SOON);
    assert_eq!(messages(&proxy.log(), &confdir)[..expected.len()], expected);
}

#[test]
fn errors_of_resources_that_share_a_reload_come_in_the_order_of_the_files() {
    let (etcd, confdir) = (with_a_key(), Confdir::new());
    for (name, fields) in [
        ("a", reloaded("true")),
        ("b", KEYS.to_owned()),
        ("c", reloaded("true")),
    ] {
        confdir.add(name, &fields, &format!("{{{{getv \"/no/{name}\"}}}}"));
    }
    let (code, _, log) = outcome(&mut confd(&etcd, &confdir, &["-onetime"]));
    assert_eq!(code, 1);
    let keys = messages(&log, &confdir).into_iter().map(|line| {
        let (_, key) = line.rsplit_once("/no/").unwrap();
        key.to_owned()
    });
    assert_eq!(keys.collect::<Vec<_>>(), ["a", "b", "c", "c"]);
}

#[test]
fn while_polling_a_command_that_hangs_holds_up_the_others_for_a_moment_only() {
    let etcd = with_a_key();
    let confdir = Confdir::new();
    confdir.add("a", &reloaded("sleep 600"), VALUE);
    confdir.add("b", KEYS, VALUE);
    let _proxy = Running::spawn(&mut confd(&etcd, &confdir, &["-interval", "3600"]));
    confdir.wait_for("b", "1", SOON);
    etcd.ctl(&["put", "/a", "2"]);
    confdir.wait_for("b", "2", SOON);
}
