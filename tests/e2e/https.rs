use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::harness::running::outcome;
use crate::harness::{Etcd, Nginx, Pki, Running, SOON, Wire, own_address, register};

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
fn the_host_header_is_the_name_that_is_verified_unless_another_is_given() {
    let pki = Pki::new();
    let (_backend, address) = backend(&pki, |_| "web.example".to_owned());
    let url = format!("https://{address}/");
    let ca = pki.path("ca.pem").display().to_string();
    let with = |flags: &[&str]| check(&url, &[&["--check-ca", &ca], flags].concat());
    assert_eq!(with(&["--host", "web.example"]), well());
    assert_eq!(with(&["--host", "web.example:8443"]), well());
    assert_eq!(with(&["--check-server-name", "web.example"]), well());
    let both = ["--host", "elsewhere.example", "--check-server-name"];
    assert_eq!(with(&[&both[..], &["web.example"]].concat()), well());
    let (code, said) = with(&["--host", "elsewhere.example"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not valid for name"), "{said}");
}

#[test]
fn our_certificate_is_shown_and_replaced_files_are_read_again() {
    let mut pki = Pki::new();
    let address = own_address();
    let (cert, key) = pki.issue("backend", &[&address.ip().to_string()]);
    // The backend keeps the authority that it has read.
    let tls = format!(
        "listen {address} ssl; ssl_certificate {}; ssl_certificate_key {};
         ssl_client_certificate {}; ssl_verify_client on;",
        cert.display(),
        key.display(),
        pki.path("ca.pem").display(),
    );
    let _backend = Nginx::start_with("", &tls);
    let servers = std::fs::read_to_string(pki.path("ca.pem")).unwrap();
    let trusted = pki.path("trusted.pem");
    std::fs::write(&trusted, servers).unwrap();
    let trusted = trusted.display().to_string();
    let url = format!("https://{address}/");
    assert_eq!(
        check(&url, &["--check-ca", &trusted]),
        (1, "unhealthy: HTTP status 400".to_owned())
    );
    let (good, good_key) = pki.issue("good", &["client"]);
    pki.replace();
    let (cert, key) = pki.issue("client", &["client"]);
    let etcd = Etcd::start();
    let service = Nginx::start();
    let (cert_flag, key_flag) = (cert.display().to_string(), key.display().to_string());
    let ours = ["--check-cert", &cert_flag, "--check-key", &key_flag];
    let flags = [&["--check", &url, "--check-ca", &trusted][..], &ours].concat();
    let agent = Running::agent(&etcd, &service, &flags);
    agent.wait_for_event("backend_down", SOON);
    std::fs::rename(good_key, &key).unwrap();
    std::fs::rename(good, &cert).unwrap();
    agent.wait_for_event("tls_files_reloaded", SOON);
    agent.wait_for_event("backend_up", SOON);
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

/// A backend with the certificate that `arguments` of openssl make, for the address that it has.
fn backend_of_openssl(directory: &Path, arguments: &[&str]) -> (Nginx, SocketAddrV4, String) {
    let address = own_address();
    let (cert, key) = own_certificate(directory, address, arguments);
    let (cert, key) = (cert.display().to_string(), key.display());
    // Old keys are no concern of the server's here.
    let tls = format!(
        "listen {address} ssl; ssl_certificate {cert}; ssl_certificate_key {key};\n\
         ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;"
    );
    (Nginx::start_with("", &tls), address, cert)
}

fn own_certificate(
    directory: &Path,
    address: SocketAddrV4,
    arguments: &[&str],
) -> (PathBuf, PathBuf) {
    let (cert, key) = (directory.join("own.pem"), directory.join("own.key"));
    let name = format!("subjectAltName=IP:{}", address.ip());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=own"])
        .args(["-addext", &name])
        .args(arguments)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (cert, key)
}

#[test]
fn a_certificate_that_is_given_itself_is_taken_for_its_names() {
    let directory = tempfile::tempdir().unwrap();
    // Plain `openssl req -x509` makes a CA of it.
    let (_backend, address, cert) = backend_of_openssl(directory.path(), &["-newkey", "rsa:2048"]);
    let url = format!("https://{address}/");
    assert_eq!(check(&url, &["--check-ca", &cert]), well());
    assert_eq!(check(&url, &[]).0, 1);
    // The same server, by an address that its certificate does not name.
    let elsewhere = Wire::to(address).url().replace("http:", "https:");
    let (code, said) = check(&elsewhere, &["--check-ca", &cert]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not valid for name"), "{said}");
}

#[test]
fn a_servers_certificate_is_enough_without_the_one_of_its_ca() {
    let pki = Pki::new();
    let (_backend, address) = backend(&pki, |address| address.ip().to_string());
    let url = format!("https://{address}/");
    let own = pki.path("backend.pem").display().to_string();
    assert_eq!(check(&url, &["--check-ca", &own]), well());
    // Another one that the same CA has signed is not meant.
    let (other, _) = pki.issue("other", &[&address.ip().to_string()]);
    let other = other.display().to_string();
    assert_eq!(check(&url, &["--check-ca", &other]).0, 1);
}

#[test]
fn a_key_on_p_521_works_unverified_and_is_explained_where_it_cannot() {
    let directory = tempfile::tempdir().unwrap();
    let p521 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"];
    let (_backend, address, cert) = backend_of_openssl(directory.path(), &p521);
    let url = format!("https://{address}/");
    assert_eq!(check(&url, &["--tls-skip-verify"]), well());
    let (code, said) = check(&url, &["--check-ca", &cert]);
    assert_eq!(code, 1);
    assert!(said.contains("P-521"), "{said}");
    assert!(said.contains("--tls-skip-verify"), "{said}");
}

#[test]
fn certificates_that_cannot_be_verified_pass_where_nothing_is_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (_weak, address, _) = backend_of_openssl(directory.path(), &["-newkey", "rsa:1024"]);
    let url = format!("https://{address}/");
    assert_eq!(check(&url, &["--tls-skip-verify"]), well());

    // Plain `openssl x509 -req` makes X.509 v1.
    let run = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    let (request, key, old) = (path("old.csr"), path("old.key"), path("old.pem"));
    run(&[
        "req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=old", "-keyout", &key,
        "-out", &request,
    ]);
    run(&[
        "x509", "-req", "-in", &request, "-signkey", &key, "-out", &old,
    ]);
    let address = own_address();
    let tls = format!("listen {address} ssl; ssl_certificate {old}; ssl_certificate_key {key};");
    let _old = Nginx::start_with("", &tls);
    let url = format!("https://{address}/");
    assert_eq!(check(&url, &["--tls-skip-verify"]), well());
    let (code, said) = check(&url, &[]);
    assert_eq!(code, 1);
    assert!(said.contains("X.509 version 1"), "{said}");
}

/// Relays one connection, and the server's first bytes only after a while.
fn slow_handshake(server: SocketAddrV4, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(server).unwrap();
        let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        std::thread::sleep(delay);
        let _ended = std::io::copy(&mut { far }, &mut { near });
    });
    address
}

#[test]
fn a_slow_handshake_has_the_whole_timeout_by_name_too() {
    let pki = Pki::new();
    let (_backend, address) = backend(&pki, |_| "localhost".to_owned());
    let ca = pki.path("ca.pem").display().to_string();
    let slow = slow_handshake(address, Duration::from_secs(3));
    let url = format!("https://localhost:{}/", slow.port());
    let flags = ["--check-ca", &ca, "--timeout", "4s"];
    assert_eq!(check(&url, &flags), well());
}
