use std::net::SocketAddrV4;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::etcd_tls::tls_etcd;
use crate::harness::{Etcd, Nginx, Pki, Running, SOON, eventually, own_address};
use crate::probing::check;

/// A server of `grpc.health.v1`, for as long as the task runs.
struct Health {
    address: SocketAddrV4,
    reporter: HealthReporter,
    server: JoinHandle<()>,
}

impl Health {
    /// Which says that `web` is of this health, and it as a whole is well.
    async fn start(web: ServingStatus) -> Self {
        let address = own_address();
        let (reporter, service) = tonic_health::server::health_reporter();
        reporter.set_service_status("web", web).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let router = Server::builder().add_service(service);
            router.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            address,
            reporter,
            server,
        }
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The server is in this process.
async fn check_beside(flags: &[&str]) -> (i32, String) {
    let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let run = move || check(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn well() -> (i32, String) {
    (0, "healthy: gRPC health is SERVING".to_owned())
}

fn unwell(why: &str) -> (i32, String) {
    (1, format!("unhealthy: {why}"))
}

#[tokio::test]
async fn a_service_passes_while_it_is_serving() {
    let health = Health::start(ServingStatus::Serving).await;
    let url = format!("grpc://{}/web", health.address);
    let check = async || check_beside(&["--check", &url]).await;
    assert_eq!(check().await, well());
    let mut reporter = health.reporter.clone();
    let not = ServingStatus::NotServing;
    reporter.set_service_status("web", not).await;
    assert_eq!(check().await, unwell("gRPC health is NOT_SERVING"));
    let unknown = ServingStatus::Unknown;
    reporter.set_service_status("web", unknown).await;
    assert_eq!(check().await, unwell("gRPC health is UNKNOWN"));
    reporter.clear_service_status("web").await;
    let gone = "SERVICE_UNKNOWN: the server tells no health of the service \"web\"";
    assert_eq!(check().await, unwell(gone));
    let whole = format!("grpc://{}", health.address);
    assert_eq!(check_beside(&["--check", &whole]).await, well());
}

#[test]
fn etcd_itself_can_be_checked() {
    let etcd = Etcd::start();
    let url = etcd.url().replace("http://", "grpc://");
    assert_eq!(check(&["--check", &url]), well());
    let (code, said) = check(&["--check", &format!("{url}/none")]);
    assert_eq!(code, 1);
    assert!(said.contains("SERVICE_UNKNOWN"), "{said}");
}

#[test]
fn servers_without_health_say_so_in_a_line() {
    let address = own_address();
    let more = format!("listen {address} http2;");
    let backend = Nginx::start_with("", &more);
    let (code, said) = check(&["--check", &format!("grpc://{address}")]);
    assert_eq!(code, 1);
    assert!(said.contains("404 Not Found"), "{said}");
    let plain = format!("grpc://{}", backend.address());
    let (code, said) = check(&["--check", &plain, "--timeout", "1s"]);
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    let refused = format!("grpc://{}", own_address());
    assert_eq!(
        check(&["--check", &refused]),
        unwell("Connection refused (os error 111)")
    );
}

#[test]
fn one_timeout_is_for_all_of_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    assert_eq!(
        check(&["--check", &url, "--timeout", "300ms"]),
        unwell("no answer within 300ms")
    );
}

/// nginx, which speaks TLS for a server of gRPC, and wants certificates of clients.
fn in_front_of(health: &Health, pki: &Pki) -> (Nginx, String) {
    let address = own_address();
    let (cert, key) = pki.issue("backend", &[&address.ip().to_string()]);
    let more = format!(
        "listen {address} ssl http2; ssl_certificate {}; ssl_certificate_key {};
         ssl_client_certificate {}; ssl_verify_client optional;
         location /grpc.health.v1.Health/ {{
             if ($ssl_client_verify != SUCCESS) {{ return 403; }}
             grpc_pass grpc://{};
         }}",
        cert.display(),
        key.display(),
        pki.path("ca.pem").display(),
        health.address,
    );
    (
        Nginx::start_with("", &more),
        format!("grpcs://{address}/web"),
    )
}

#[tokio::test]
async fn health_is_asked_over_tls_too() {
    let health = Health::start(ServingStatus::Serving).await;
    let pki = Pki::new();
    let (_nginx, url) = in_front_of(&health, &pki);
    let ca = pki.path("ca.pem").display().to_string();
    let (code, said) = check_beside(&["--check", &url]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("see --check-ca"), "{said}");
    let asked = ["--check", &url, "--check-ca", &ca];
    let (code, said) = check_beside(&asked).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("403"), "{said}");
    let (cert, key) = pki.issue("client", &["client"]);
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let ours = ["--check-cert", &cert, "--check-key", &key];
    assert_eq!(check_beside(&[&asked[..], &ours].concat()).await, well());
}

#[test]
fn a_server_that_wants_our_certificate_is_heard_in_grpc_too() {
    let pki = Pki::new();
    let (etcd, (cert, key)) = tls_etcd(&pki);
    let url = etcd.url().replace("https://", "grpcs://");
    let ca = pki.path("ca.pem").display().to_string();
    let (code, said) = check(&["--check", &url, "--check-ca", &ca]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("see --check-cert and --check-key"), "{said}");
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let ours = ["--check-cert", &cert, "--check-key", &key];
    let asked = ["--check", &url, "--check-ca", &ca];
    assert_eq!(check(&[&asked[..], &ours].concat()), well());
}

/// Connections that this process's server has.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let established = format!(":{port:04X} ");
    let lines = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        (format!("{local} ").ends_with(&established) && state == "01").then_some(())
    });
    lines.count()
}

#[tokio::test]
async fn nothing_is_kept_between_two_attempts() {
    let health = Health::start(ServingStatus::Serving).await;
    let address = health.address;
    let watched = tokio::task::spawn_blocking(move || {
        let (etcd, service) = (Etcd::start(), Nginx::start());
        let url = format!("grpc://{address}/web");
        let agent = Running::agent(&etcd, &service, &["--check", &url]);
        agent.wait_for_event("registered", SOON);
        eventually("the connection is closed", SOON, || {
            match connections(address.port()) {
                0 => Ok(()),
                count => Err(format!("{count} connections")),
            }
        });
    });
    watched.await.unwrap();
}
