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
