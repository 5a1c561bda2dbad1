//! Name, connection, TLS: the way to an endpoint, on its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::advice;
use super::hello::{self, ServerHello};
use super::step::{Remark, Trouble};
use super::timing::timing;
use crate::etcd::config::FLAGS;
use crate::tls;
use crate::tls::files::{Files, Purpose, Tls};

const NO_NAME: &str =
    "correct the name in --endpoints, or see to this host's name servers (/etc/resolv.conf)";

const SPEAKS_NO_TLS: &str = "write http:// if etcd speaks no TLS there; else see what its log says";

const SPEAKS_TLS: &str = "write https://, and give its CA with --cacert";

/// Less than a step, so that each address has its say.
const CONNECT: Duration = Duration::from_millis(2500);

/// The addresses of a host.
pub(super) async fn resolve(host: &str, port: u16) -> Result<(Vec<SocketAddr>, Remark), Trouble> {
    let no_name = |error: &io::Error| Trouble::outage(error.to_string(), NO_NAME);
    let found = lookup_host((host, port)).await;
    let found: Vec<_> = found.map_err(|error| no_name(&error))?.collect();
    if found.is_empty() {
        return Err(Trouble::outage("has no address", NO_NAME));
    }
    let shown: Vec<_> = found
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    Ok((found, Remark::Good(shown.join(", "))))
}

/// A connection to the first of the addresses that takes one. All are tried.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, Remark), Trouble> {
    let begun = Instant::now();
    let tries = addresses.iter().map(async |address| {
        let silent = || Err(io::Error::from(io::ErrorKind::TimedOut));
        let tried = timeout(CONNECT, TcpStream::connect(address)).await;
        (
            *address,
            tried.unwrap_or_else(|_| silent()),
            begun.elapsed(),
        )
    });
    let mut connected = None;
    let mut failures = Vec::new();
    for (address, tried, took) in join_all(tries).await {
        match tried {
            Ok(stream) if connected.is_none() => connected = Some((address, stream, took)),
            Ok(_) => {}
            Err(error) => failures.push((address, error)),
        }
    }
    match (connected, failures.into_iter().next()) {
        (Some((address, stream, took)), failure) => {
            Ok((stream, connected_to(address, took, failure)))
        }
        (None, Some((_, error))) => Err(Trouble::of_network(&error)),
        (None, None) => Err(Trouble::outage("has no address", NO_NAME)),
    }
}

/// An address that refuses costs no time; one that is silent does, at each connection.
fn connected_to(
    address: SocketAddr,
    took: Duration,
    failure: Option<(SocketAddr, io::Error)>,
) -> Remark {
    let connected = format!("connected to {address} in {}", timing(took));
    match failure {
        None => Remark::Good(connected),
        Some((other, error)) if error.kind() == io::ErrorKind::TimedOut => {
            let message = format!("{connected}, but {other} does not answer");
            Remark::Doubtful(message, advice::SILENCE.to_owned())
        }
        Some((other, error)) => Remark::Good(format!("{connected} (not to {other}: {error})")),
    }
}

/// A handshake, after which the server may still refuse our certificate. `is_verified` is for what is
/// said.
pub(super) async fn secure(
    tcp: TcpStream,
    config: Arc<ClientConfig>,
    name: &str,
    is_verified: bool,
) -> Result<((), Remark), Trouble> {
    let server = ServerName::try_from(name.to_owned());
    let server = server.map_err(|error| Trouble::fault(error.to_string(), NO_NAME))?;
    let connected = TlsConnector::from(config).connect(server, tcp).await;
    let mut stream = connected.map_err(|error| of_tls(&error))?;
    let greeted = hello::greet(&mut stream).await;
    greeted.map_err(|error| of_tls(&error))?;
    let remark = if is_verified {
        Remark::Good(format!("its certificate is valid for {name}"))
    } else {
        let advice = "give its CA with --cacert in place of --insecure-skip-tls-verify";
        Remark::Doubtful(
            "its certificate is not verified".to_owned(),
            advice.to_owned(),
        )
    };
    Ok(((), remark))
}

/// Nothing is said of it unless the server wants TLS.
pub(super) async fn without_tls(tcp: TcpStream) -> Result<((), Remark), Trouble> {
    let address = tcp.peer_addr();
    if let (Ok(ServerHello::Unfit) | Err(_), Ok(address)) = (hello::greet(tcp).await, address)
        && speaks_tls(address).await
    {
        let message = "it speaks TLS, and http:// is given";
        return Err(Trouble::fault(message, SPEAKS_TLS));
    }
    // Why it breaks off is for etcd's own protocol to tell.
    Ok(((), Remark::Nothing))
}

/// Whoever it is: nothing is sent over it.
async fn speaks_tls(address: SocketAddr) -> bool {
    let files = Files {
        skip_verify: true,
        ..Files::default()
    };
    let purpose = Purpose {
        flags: FLAGS,
        protocol: Some("h2"),
        always_verified: false,
    };
    let (Ok(tls), Ok(tcp)) = (Tls::read(files, purpose), TcpStream::connect(address).await) else {
        return false;
    };
    let connector = TlsConnector::from(tls.config());
    connector
        .connect(ServerName::from(address.ip()), tcp)
        .await
        .is_ok()
}

fn of_tls(error: &io::Error) -> Trouble {
    let reason = error.to_string();
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            let advice = advice::for_tls(&reason);
            Trouble::fault(tls::explained(reason, FLAGS), advice)
        }
        io::ErrorKind::UnexpectedEof => Trouble::fault(reason, SPEAKS_NO_TLS),
        _ => Trouble::of_network(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_refuses_is_mentioned_and_one_that_is_silent_is_warned_about() {
        let address = |text: &str| text.parse().expect("an address");
        let remark = |kind: io::ErrorKind| {
            let failure = (address("[::1]:2379"), io::Error::from(kind));
            connected_to(
                address("127.0.0.1:2379"),
                Duration::from_millis(1),
                Some(failure),
            )
        };
        let Remark::Good(message) = remark(io::ErrorKind::ConnectionRefused) else {
            panic!("it costs no time");
        };
        assert!(message.starts_with("connected to 127.0.0.1:2379 in 1ms (not to [::1]:2379: "));
        assert!(matches!(
            remark(io::ErrorKind::TimedOut),
            Remark::Doubtful(..)
        ));
    }
}
