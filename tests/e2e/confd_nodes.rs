use std::path::Path;

use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, Pki, Running, SOON, register};

const FIELDS: &str = "keys = [\"/a\"]";
const TEMPLATE: &str = "{{getv \"/a\"}}";

fn with_a_key(etcd: &Etcd) -> Confdir {
    etcd.ctl(&["put", "/a", "1"]);
    Confdir::new().with("a.conf", FIELDS, TEMPLATE)
}

/// Exit code and log of one pass.
fn once(node: &str, confdir: &Confdir, flags: &[&str]) -> (i32, String) {
    let mut confd = register();
    confd
        .args(["confd", "-onetime", "-backend", "etcdv3", "-node", node])
        .args(["-confdir", &confdir.flag()])
        .args(["-config-file", "/does/not/exist"])
        .args(flags);
    let (code, _, log) = outcome(&mut confd);
    (code, log)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn an_http_node_is_without_tls_whatever_tls_files_are_given() {
    let (etcd, pki) = (Etcd::start(), Pki::new());
    let confdir = with_a_key(&etcd);
    let (cert, key) = pki.issue("client", &["client"]);
    let (ca, cert, key) = (text(&pki.path("ca.pem")), text(&cert), text(&key));
    let flags = [
        "-client-ca-keys",
        &ca,
        "-client-cert",
        &cert,
        "-client-key",
        &key,
    ];
    let (code, log) = once(&etcd.url(), &confdir, &flags);
    assert_eq!(
        (code, confdir.read("a.conf").as_deref()),
        (0, Some("1")),
        "{log}"
    );
    let warning = format!(
        "WARNING {} is not https://: connecting without TLS",
        etcd.url()
    );
    assert_eq!(log.matches(&warning).count(), 1, "{log}");

    // Without a scheme it is TLS, as the files say.
    let (code, log) = once(&etcd.address().to_string(), &confdir, &flags);
    assert_eq!(code, 1, "{log}");
    assert!(!log.contains("WARNING"), "{log}");
}

#[test]
fn a_unix_node_is_a_socket() {
    let etcd = Etcd::start_with_a_socket();
    let confdir = with_a_key(&etcd);
    let node = format!("unix://{}", etcd.socket().display());
    let (code, log) = once(&node, &confdir, &[]);
    assert_eq!(
        (code, confdir.read("a.conf").as_deref()),
        (0, Some("1")),
        "{log}"
    );
    let mut confd = register();
    confd
        .args(["confd", "-watch", "-node", &node])
        .args(["-confdir", &confdir.flag()]);
    let _confd = Running::spawn(&mut confd);
    etcd.ctl(&["put", "/a", "2"]);
    confdir.wait_for("a.conf", "2", SOON);
}

#[test]
fn a_socket_that_is_not_there_is_named() {
    let confdir = Confdir::new().with("a.conf", FIELDS, TEMPLATE);
    let (code, log) = once("unix:///does/not/exist", &confdir, &[]);
    assert_eq!(code, 1);
    let last = log.lines().last().unwrap();
    assert!(
        last.contains("FATAL ") && last.contains("unix:///does/not/exist"),
        "{log}"
    );
    let (code, log) = once("unixs:///does/not/exist", &confdir, &[]);
    assert_eq!(code, 1);
    let fault = "-node \"unixs:///does/not/exist\": TLS over a Unix socket is not supported";
    assert!(log.contains(fault), "{log}");
}
