use std::path::{Path, PathBuf};

use crate::harness::running::outcome;
use crate::harness::{Etcd, Nginx, Pki, Running, SOON, Wire, own_address, register};

fn text(path: &Path) -> String {
    path.display().to_string()
}

pub fn tls_etcd(pki: &Pki) -> (Etcd, (PathBuf, PathBuf)) {
    let client = pki.issue("client", &["client"]);
    let ip = *own_address().ip();
    let (cert, key) = pki.issue("server", &[&ip.to_string()]);
    let etcd = Etcd::start_tls(
        ip,
        &pki.path("ca.pem"),
        (&cert, &key),
        (&client.0, &client.1),
    );
    (etcd, client)
}

#[test]
fn tls_with_a_client_certificate_registers() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let (ca, cert, key) = (text(&pki.path("ca.pem")), text(&cert), text(&key));
    let _agent = Running::agent(
        &etcd,
        &backend,
        &["--cacert", &ca, "--cert", &cert, "--cert-key", &key],
    );
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_certificate_of_an_unknown_authority_exits_3_unless_verification_is_off() {
    let (pki, other, backend) = (Pki::new(), Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let (ca, cert, key) = (text(&other.path("ca.pem")), text(&cert), text(&key));
    let attempt = |flags: &[&str]| {
        outcome(
            register()
                .args([
                    "--once",
                    "--service",
                    "web",
                    "--address",
                    &backend.address(),
                ])
                .args([
                    "--endpoints",
                    &etcd.url(),
                    "--cert",
                    &cert,
                    "--cert-key",
                    &key,
                ])
                .args(flags),
        )
    };
    let (code, _, complaint) = attempt(&["--cacert", &ca]);
    assert_eq!(code, 3);
    assert!(
        complaint.contains("invalid peer certificate"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert_eq!(etcd.get(&backend.key()), None);
    assert_eq!(attempt(&["--insecure-skip-tls-verify"]).0, 0);
}

#[test]
fn an_agent_without_the_certificate_that_etcd_asks_for_exits_3() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, _) = tls_etcd(&pki);
    let (code, _, complaint) = outcome(
        register()
            .args([
                "--service",
                "web",
                "--address",
                &backend.address(),
                "--endpoints",
                &etcd.url(),
            ])
            .args([
                "--cacert",
                &text(&pki.path("ca.pem")),
                "--log-level",
                "error",
            ]),
    );
    assert_eq!(code, 3, "{complaint}");
    assert!(
        complaint.contains("refused: received fatal alert"),
        "{complaint}"
    );
}

#[test]
fn a_certificate_for_another_name_exits_3() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    // The same server, by an address that its certificate does not name.
    let url = Wire::to(etcd.address()).url().replace("http:", "https:");
    let (code, said, complaint) = outcome(
        register()
            .args(["--service", "web", "--address", &backend.address()])
            .args(["--endpoints", &url, "--cacert", &text(&pki.path("ca.pem"))])
            .args(["--cert", &text(&cert), "--cert-key", &text(&key)])
            .args(["--log-level", "error"]),
    );
    assert_eq!((code, said.as_str()), (3, ""));
    assert!(
        complaint.contains("invalid peer certificate: certificate not valid for name"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert_eq!(etcd.get(&backend.key()), None);
}

#[test]
fn an_etcd_with_auto_tls_can_be_reached_unverified_and_is_explained_where_it_cannot() {
    let etcd = Etcd::start_auto_tls();
    let list = |flags: &[&str]| {
        outcome(
            register()
                .args(["list", "--endpoints", &etcd.url()])
                .args(flags),
        )
    };
    let (code, _, complaint) = list(&["--insecure-skip-tls-verify"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let (code, _, complaint) = list(&[]);
    assert_eq!(code, 3);
    assert!(complaint.contains("P-521"), "{complaint}");
    assert!(
        complaint.contains("--insecure-skip-tls-verify"),
        "{complaint}"
    );
}

#[test]
fn etcds_own_certificate_is_taken_for_its_names() {
    let (pki, backend) = (Pki::new(), Nginx::start());
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let (cert, key) = (text(&cert), text(&key));
    let own = text(&pki.path("server.pem"));
    let _agent = Running::agent(
        &etcd,
        &backend,
        &["--cacert", &own, "--cert", &cert, "--cert-key", &key],
    );
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_certificate_that_etcd_asks_for_is_always_named() {
    let pki = Pki::new();
    let (etcd, _) = tls_etcd(&pki);
    let ca = text(&pki.path("ca.pem"));
    for _ in 0..20 {
        let (code, _, complaint) = outcome(
            register()
                .args(["list", "--endpoints", &etcd.url()])
                .args(["--cacert", &ca]),
        );
        assert_eq!(code, 3);
        assert!(
            complaint.contains("asks for a client's certificate"),
            "{complaint}"
        );
    }
}
