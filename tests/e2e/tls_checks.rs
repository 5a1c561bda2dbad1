use std::net::SocketAddrV4;
use std::process::{Command, Stdio};

use crate::harness::{Owned, Pki, SOON, eventually, own_address};
use crate::probing::check;

/// `openssl s_server` with a certificate for `name`.
fn server(
    pki: &Pki,
    name: impl Fn(SocketAddrV4) -> String,
    flags: &[&str],
) -> (Owned, SocketAddrV4) {
    let address = own_address();
    let (cert, key) = pki.issue("server", &[&name(address)]);
    let child = Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &address.to_string()])
        .arg("-cert")
        .arg(cert)
        .arg("-key")
        .arg(key)
        .args(flags)
        // Its end would be the server's.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Owned(child);
    eventually("openssl listens", SOON, || {
        let connected = std::net::TcpStream::connect(address);
        connected.map(drop).map_err(|error| error.to_string())
    });
    (server, address)
}

fn own_ip(address: SocketAddrV4) -> String {
    address.ip().to_string()
}

fn well() -> (i32, String) {
    (0, "healthy: TLS handshake completed".to_owned())
}

#[test]
fn a_handshake_passes_if_the_certificate_does() {
    let pki = Pki::new();
    let (_server, address) = server(&pki, own_ip, &[]);
    let url = format!("tls://{address}");
    let ca = pki.path("ca.pem").display().to_string();
    let (code, said) = check(&["--check", &url]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("see --check-ca"), "{said}");
    assert_eq!(check(&["--check", &url, "--check-ca", &ca]), well());
    assert_eq!(check(&["--check", &url, "--tls-skip-verify"]), well());
}

#[test]
fn a_handshake_with_a_server_of_another_name_fails() {
    let pki = Pki::new();
    let (_server, address) = server(&pki, |_| "elsewhere.example".to_owned(), &[]);
    let url = format!("tls://{address}");
    let ca = pki.path("ca.pem").display().to_string();
    let (code, said) = check(&["--check", &url, "--check-ca", &ca]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not valid for name"), "{said}");
}

#[test]
fn a_listener_that_speaks_no_tls_fails() {
    let backend = crate::harness::Nginx::start();
    let url = format!("tls://{}", backend.address());
    let (code, said) = check(&["--check", &url, "--tls-skip-verify"]);
    assert_eq!(code, 1, "{said}");
}

#[test]
fn a_server_that_wants_our_certificate_gets_it_and_is_heard_when_it_does_not() {
    for version in ["-tls1_2", "-tls1_3"] {
        let pki = Pki::new();
        let ca = pki.path("ca.pem").display().to_string();
        let wants = [
            "-Verify",
            "1",
            "-verify_return_error",
            "-CAfile",
            &ca,
            version,
        ];
        let (_server, address) = server(&pki, own_ip, &wants);
        let url = format!("tls://{address}");
        let asked = ["--check", &url, "--check-ca", &ca];
        let (code, said) = check(&asked);
        assert_eq!(code, 1, "{version}: {said}");
        assert!(said.contains("see --check-cert"), "{version}: {said}");
        let (cert, key) = pki.issue("client", &["client"]);
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        let ours = ["--check-cert", &cert, "--check-key", &key];
        assert_eq!(check(&[&asked[..], &ours].concat()), well(), "{version}");
    }
}

#[test]
fn a_name_that_is_given_is_asked_for_and_verified() {
    let pki = Pki::new();
    let (_server, address) = server(&pki, |_| "web.example".to_owned(), &[]);
    let (url, ca) = (format!("tls://{address}"), pki.path("ca.pem"));
    let ca = ca.display().to_string();
    let named = |name| {
        check(&[
            "--check",
            &url,
            "--check-ca",
            &ca,
            "--check-server-name",
            name,
        ])
    };
    assert_eq!(named("web.example"), well());
    let (code, said) = named("elsewhere.example");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not valid for name"), "{said}");
}

#[test]
fn files_for_tls_that_cannot_be_used_name_their_flags() {
    let pki = Pki::new();
    let (cert, key) = pki.issue("client", &["client"]);
    let (_, other) = pki.issue("other", &["other"]);
    let [cert, key, other] = [cert, key, other].map(|path| path.display().to_string());
    let empty = pki.path("empty").display().to_string();
    std::fs::write(&empty, "").unwrap();
    let table = [
        (
            &["--check-cert", &cert][..],
            "--check-cert and --check-key go together: give both",
        ),
        (
            &["--check-cert", &cert, "--check-key", "/none"],
            "--check-key \"/none\": No such file",
        ),
        (
            &["--check-cert", &empty, "--check-key", &key],
            "holds no PEM certificate",
        ),
        (
            &["--check-cert", &cert, "--check-key", &other],
            &format!("--check-cert {cert:?} and --check-key {other:?}: "),
        ),
        (
            &["--check-server-name", "a b"],
            "--check-server-name \"a b\": is no name that a certificate could be for",
        ),
    ];
    for (flags, fault) in table {
        let asked = ["--check", "tls://127.0.0.1:1", "--tls-skip-verify"];
        let (code, said) = check(&[&asked[..], flags].concat());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(fault), "{said}");
    }
    let (_, said) = check(&["--check", "tcp://127.0.0.1:1", "--check-cert", &cert]);
    assert!(said.contains("--check-cert: only for"), "{said}");
}
