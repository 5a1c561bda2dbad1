use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::running::outcome;
use crate::harness::{Etcd, Logged, Pki, register};

fn list(etcd: &Etcd) -> Command {
    let mut command = register();
    command.args(["list", "--endpoints", &etcd.url()]);
    command
}

/// What a command's JSON log tells of this event, of which it tells once.
fn told(log: &str, event: &str) -> Logged {
    let mut lines = Logged::of(log, event);
    assert_eq!(lines.len(), 1, "{log}");
    lines.remove(0)
}

/// A server of an authority that nobody knows, and what it lets clients in with.
fn unknown_authority(pki: &Pki) -> (Etcd, String, String) {
    let ip = *crate::harness::own_address().ip();
    let (cert, key) = pki.issue("server", &[&ip.to_string()]);
    let etcd = Etcd::start_tls(ip, &pki.path("ca.pem"), (&cert, &key), (&cert, &key));
    let text = |path: std::path::PathBuf| path.display().to_string();
    (etcd, text(cert), text(key))
}

#[test]
fn a_switch_of_ours_that_is_off_wins_over_etcdctls_that_is_on() {
    let pki = Pki::new();
    let (etcd, cert, key) = unknown_authority(&pki);
    let code = |flags: &[&str], ours: Option<&str>, theirs: Option<&str>| {
        let mut command = list(&etcd);
        command
            .args(["--cert", &cert, "--cert-key", &key])
            .args(flags);
        let ours = ours.map(|on| ("REGISTER_INSECURE_SKIP_TLS_VERIFY", on));
        let theirs = theirs.map(|on| ("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", on));
        outcome(command.envs(ours).envs(theirs)).0
    };
    assert_eq!(code(&[], None, Some("true")), 0);
    assert_eq!(code(&[], Some("yes"), None), 0);
    assert_eq!(code(&[], Some("false"), Some("true")), 3);
    let off = ["--insecure-skip-tls-verify=false"];
    assert_eq!(code(&off, Some("true"), Some("true")), 3);
    let on = ["--insecure-skip-tls-verify"];
    assert_eq!(code(&on, Some("false"), Some("false")), 0);
}

#[test]
fn etcdctls_files_do_not_forbid_a_plain_endpoint_and_flags_do() {
    let etcd = Etcd::start();
    let variables = [
        ("ETCDCTL_CACERT", "/nonexistent/ca.pem"),
        ("ETCDCTL_CERT", "/nonexistent/cert.pem"),
        ("ETCDCTL_KEY", "/nonexistent/key.pem"),
        ("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true"),
    ];
    let (code, _, complaint) = outcome(list(&etcd).envs(variables));
    assert_eq!((code, complaint.as_str()), (0, ""));
    let ours = [("REGISTER_CACERT", "/nonexistent/ca.pem")];
    let (code, _, complaint) = outcome(list(&etcd).envs(ours));
    assert_eq!(code, 2);
    assert!(
        complaint.contains("is not TLS, but TLS flags are given; use https://"),
        "{complaint}"
    );
}

#[test]
fn endpoints_in_etcdctl_2s_variables_are_used() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "10.0.0.5:80"]);
    for variable in ["ETCDCTL_PEERS", "ETCDCTL_ENDPOINT"] {
        let (code, said, complaint) = outcome(register().arg("list").env(variable, etcd.url()));
        assert_eq!((code, complaint.as_str()), (0, ""));
        assert!(said.contains("/services/web/a"), "{said}");
    }
}

#[test]
fn files_with_secrets_that_others_have_access_to_are_warned_about() {
    let etcd = Etcd::start();
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "sesame\n").unwrap();
    let path = password.path().display().to_string();
    let complaint = |mode: u32| {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let flags = ["--user", "web", "--password-file", &path];
        outcome(list(&etcd).args(flags).args(["--log-format", "json"])).2
    };
    assert!(!complaint(0o640).contains("--password-file"));
    let warning = told(&complaint(0o644), "secret_exposed");
    assert_eq!(warning.field("level"), "WARN");
    let way_out = format!("chmod o-rwx {path}");
    for detail in ["--password-file", &format!("{path:?}"), "0644", &way_out] {
        assert!(warning.tells(detail), "{warning:?}");
    }

    let pki = Pki::new();
    let (etcd, cert, key) = unknown_authority(&pki);
    fs::set_permissions(&key, Permissions::from_mode(0o604)).unwrap();
    let (code, _, said) = outcome(list(&etcd).envs([
        ("ETCDCTL_CACERT", pki.path("ca.pem").display().to_string()),
        ("ETCDCTL_CERT", cert),
        ("ETCDCTL_KEY", key),
    ]));
    assert_eq!((code, said.lines().count()), (0, 1), "{said}");
    assert!(said.contains("ETCDCTL_KEY "), "{said}");
}

#[test]
fn a_fault_names_the_variable_that_the_value_is_from() {
    let complaint = |flags: &[&str]| {
        let mut command = register();
        command
            .args(["--once", "--service", "web", "--address", "10.0.0.5:80"])
            .args(flags)
            .env("REGISTER_TTL", "0s")
            .env("REGISTER_ENDPOINTS", "ftp://h:1");
        outcome(&mut command).2
    };
    assert_eq!(
        complaint(&[]),
        "register: REGISTER_TTL \"0s\": must be at least 1s\n\
         register: REGISTER_ENDPOINTS \"ftp://h:1\": unknown scheme; use http:// or https://\n"
    );
    assert_eq!(
        complaint(&["--ttl", "0s", "--endpoints", "h:1"]),
        "register: --ttl \"0s\": must be at least 1s\n"
    );
}
