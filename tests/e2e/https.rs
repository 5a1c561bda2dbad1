use std::net::SocketAddrV4;

use crate::harness::running::outcome;
use crate::harness::{Nginx, Pki, own_address, register};

const LOGIN: &str = "location /in {
    if ($http_authorization = 'Basic dXNlcjpwQHNz') { return 200; }
    return 401;
}";

/// A backend whose certificate is for `name`, and where it answers over TLS.
fn backend(pki: &Pki, name: impl Fn(SocketAddrV4) -> String) -> (Nginx, SocketAddrV4) {
    let address = own_address();
    let (cert, key) = pki.issue("backend", &[&name(address)]);
    let (cert, key) = (cert.display(), key.display());
    let tls = format!(
        "listen {address} ssl; ssl_certificate {cert}; ssl_certificate_key {key};\n{LOGIN}"
    );
    (Nginx::start_with("", &tls), address)
}

fn check(url: &str, flags: &[&str]) -> (i32, String) {
    let (code, said, complaint) = outcome(register().args(["check", "--check", url]).args(flags));
    let verdict = said
        .rsplit_once(" in ")
        .map_or(said.clone(), |(verdict, _)| verdict.to_owned());
    (code, verdict + &complaint)
}

fn well() -> (i32, String) {
    (0, "healthy: HTTP status 200".to_owned())
}

#[test]
fn a_backends_certificate_is_verified_unless_told_otherwise() {
    let pki = Pki::new();
    let (_backend, address) = backend(&pki, |address| address.ip().to_string());
    let url = format!("https://{address}/");
    let ca = pki.path("ca.pem").display().to_string();
    let (code, said) = check(&url, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("certificate"), "{said}");
    assert_eq!(check(&url, &["--check-ca", &ca]), well());
    assert_eq!(check(&url, &["--tls-skip-verify"]), well());
}

#[test]
fn a_certificate_for_another_name_fails() {
    let pki = Pki::new();
    let (_backend, address) = backend(&pki, |_| "elsewhere.example".to_owned());
    let ca = pki.path("ca.pem").display().to_string();
    let (code, said) = check(&format!("https://{address}/"), &["--check-ca", &ca]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_user_in_the_url_logs_in_over_tls_too() {
    let pki = Pki::new();
    let (_backend, address) = backend(&pki, |address| address.ip().to_string());
    let ca = pki.path("ca.pem").display().to_string();
    let url = format!("https://user:p%40ss@{address}/in");
    assert_eq!(check(&url, &["--check-ca", &ca]), well());
    let url = format!("https://user:other@{address}/in");
    assert_eq!(
        check(&url, &["--check-ca", &ca]),
        (1, "unhealthy: HTTP status 401".to_owned())
    );
}
