//! One connection to one endpoint at a time. Which endpoint, and when to move on, is decided by
//! the caller: a balancer would keep a hung endpoint in its rotation.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, GetOptions};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Endpoint, Uri};
use tracing::warn;

use super::arrivals::{Arrivals, Counted, Silence};
use super::error::{EtcdError, is_without_users, wants_user};
use super::stream::{Alert, Stream};
use crate::config::{Credentials, EtcdConfig};
use crate::wording::{self, whole_millis};

/// Connecting, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// etcd refuses clients that ping more often than every 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Bounds of a call's time in a command that ends soon.
const CALL_LEAST: Duration = Duration::from_millis(250);
const CALL_MOST: Duration = Duration::from_secs(2);

/// How often [`Connector::connect_any`] goes over the endpoints.
const ROUNDS: usize = 2;

/// Connects to the endpoints in turn; in each round to the next address of each one's name.
#[derive(Debug)]
pub struct Connector {
    config: EtcdConfig,
    current: usize,
    round: usize,
    /// It was said that etcd does not know users.
    is_without_users: bool,
}

/// A connected client that gives each call a deadline.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    endpoint: String,
    call_timeout: Duration,
    login: Login,
    alert: Alert,
    arrivals: Arrivals,
}

/// Whether our user's name and password are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    /// They are, or there are none.
    AsAsked,
    /// They are not: authentication is not enabled in etcd.
    NotEnabled,
}

impl Connector {
    /// `config.endpoints` is not empty.
    #[must_use]
    pub fn new(config: EtcdConfig) -> Self {
        Self {
            config,
            current: 0,
            round: 0,
            is_without_users: false,
        }
    }

    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.config.endpoints.len()
    }

    /// The next attempt goes to the next endpoint.
    pub fn rotate(&mut self) {
        self.current += 1;
        if self.current == self.config.endpoints.len() {
            self.current = 0;
            self.round = self.round.wrapping_add(1);
        }
    }

    /// One attempt at the current endpoint, within the time for a call, at most two seconds. A hung
    /// server may pass.
    ///
    /// # Errors
    /// [`EtcdError`], naming the endpoint.
    pub async fn connect(&mut self, call_timeout: Duration) -> Result<Connection, EtcdError> {
        if let Some(tls) = &mut self.config.tls {
            tls.refresh();
        }
        let url = self.config.endpoints[self.current].clone();
        let limit = call_timeout.min(CONNECT_TIMEOUT);
        within(limit, &url, self.open(&url, call_timeout)).await
    }

    /// [`Self::connect_any`] for a command that may take no longer than `whole`: each endpoint
    /// gets its share, and the command itself one.
    ///
    /// # Errors
    /// As [`Self::connect_any`].
    pub async fn connect_within(&mut self, whole: Duration) -> Result<Connection, EtcdError> {
        let shares = u32::try_from(self.endpoint_count() + 1).unwrap_or(u32::MAX);
        let share = (whole / shares).clamp(CALL_LEAST, CALL_MOST);
        self.connect_any(share).await
    }

    /// Tries the endpoints until one answers a call.
    ///
    /// # Errors
    /// The first refusal, as it needs somebody's hand; else the last endpoint's error.
    pub async fn connect_any(&mut self, call_timeout: Duration) -> Result<Connection, EtcdError> {
        let mut failure = match self.connect_and_ask(call_timeout).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        for attempt in 1..ROUNDS * self.endpoint_count() {
            if failure.is_refusal() && attempt >= self.endpoint_count() {
                break;
            }
            self.rotate();
            match self.connect_and_ask(call_timeout).await {
                Ok(connection) => return Ok(connection),
                Err(_) if failure.is_refusal() => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Connecting to a hung server succeeds: that it serves is known by an answer. A learner tells
    /// its status, and serves nothing.
    async fn connect_and_ask(&mut self, call_timeout: Duration) -> Result<Connection, EtcdError> {
        let url = self.config.endpoints[self.current].clone();
        let limit = call_timeout.min(CONNECT_TIMEOUT);
        within(limit, &url, async {
            let connection = self.open(&url, call_timeout).await?;
            let (is_there, serves) = tokio::join!(connection.ask(), connection.read_any());
            is_there.and(serves).map(|()| connection)
        })
        .await
    }

    async fn open(&mut self, url: &str, call_timeout: Duration) -> Result<Connection, EtcdError> {
        let transport_error =
            |error: tonic::transport::Error| EtcdError::from_transport(url.to_owned(), &error);
        let tls = self
            .config
            .tls
            .as_ref()
            .filter(|_| url.starts_with("https://"))
            .map(|tls| tls.config());
        let round = self.round;
        let alert = Alert::default();
        let told = alert.clone();
        let arrivals = Arrivals::default();
        let counting = arrivals.clone();
        // tonic would insist on its own TLS for an https:// URL; ours is in the stream already.
        let channel = Endpoint::from_shared(url.replacen("https://", "http://", 1))
            .map_err(transport_error)?
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector(tower::service_fn(move |uri: Uri| {
                let (tls, alert, counting) = (tls.clone(), told.clone(), counting.clone());
                async move {
                    let stream = dial(&uri, tls, round, alert).await?;
                    Ok::<_, io::Error>(TokioIo::new(Counted::new(stream, counting)))
                }
            }))
            .await
            .map_err(transport_error)?;
        let channel = etcd_client::Channel::Tonic(channel);
        let (client, login) = self
            .log_in(channel)
            .await
            .map_err(|error| alert.or(EtcdError::from_client(url, &error)))?;
        self.tell_login(url, login);
        Ok(Connection {
            client,
            endpoint: url.to_owned(),
            call_timeout,
            login,
            alert,
            arrivals,
        })
    }

    /// With our user's name and password, where etcd knows users.
    async fn log_in(
        &self,
        channel: etcd_client::Channel,
    ) -> Result<(Client, Login), etcd_client::Error> {
        let anonymous = ConnectOptions::new().with_require_leader(true);
        let Some(Credentials { user, password }) = &self.config.credentials else {
            let client = Client::from_channel(channel, Some(anonymous)).await?;
            return Ok((client, Login::AsAsked));
        };
        let named = anonymous
            .clone()
            .with_user(user, password)
            .with_auto_token_refresh(true);
        match Client::from_channel(channel.clone(), Some(named)).await {
            Err(error) if is_without_users(&error) => {
                let client = Client::from_channel(channel, Some(anonymous)).await?;
                Ok((client, Login::NotEnabled))
            }
            logged_in => Ok((logged_in?, Login::AsAsked)),
        }
    }

    fn tell_login(&mut self, url: &str, login: Login) {
        let is_without_users = login == Login::NotEnabled;
        if is_without_users && !self.is_without_users {
            warn!("etcd at {url}: authentication is not enabled; going on without --user");
        }
        self.is_without_users = is_without_users;
    }
}

impl Connection {
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits for a first answer, at most two seconds: a call that may take longer is not to wait
    /// for a server that hangs.
    ///
    /// # Errors
    /// [`EtcdError`], naming the endpoint.
    pub(super) async fn probe(&self) -> Result<(), EtcdError> {
        within(CONNECT_TIMEOUT, &self.endpoint, self.ask()).await
    }

    async fn ask(&self) -> Result<(), EtcdError> {
        // Needs no permission, and fails on a member that has no leader.
        self.answered(self.client.clone().status().await)
    }

    /// Whether it serves reads.
    async fn read_any(&self) -> Result<(), EtcdError> {
        let options = GetOptions::new().with_count_only();
        self.answered(self.client.clone().get("/", Some(options)).await)
    }

    /// Whatever was said, be it no.
    fn answered<T>(&self, result: Result<T, etcd_client::Error>) -> Result<(), EtcdError> {
        match result.map_err(|error| self.error(&error)) {
            Err(error) if !error.is_answer() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Waits for one call's answer, at most the call timeout.
    ///
    /// # Errors
    /// [`EtcdError`], naming the endpoint.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, EtcdError> {
        within(self.call_timeout, &self.endpoint, async {
            call.await.map_err(|error| self.error(&error))
        })
        .await
    }

    /// Waits for work on this connection for as long as etcd keeps sending.
    ///
    /// # Errors
    /// When it has sent nothing for `patience`.
    pub(super) async fn outlast<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, EtcdError> {
        let done = self.arrivals.outlast(patience, work).await;
        done.map_err(|Silence| {
            self.broken(&format!("sent nothing for {}", wording::duration(patience)))
        })
    }

    pub(super) fn error(&self, error: &etcd_client::Error) -> EtcdError {
        if self.login == Login::NotEnabled && wants_user(error) {
            return self.broken("authentication was enabled");
        }
        self.alert.or(EtcdError::from_client(&self.endpoint, error))
    }

    pub(super) fn refused(&self, reason: &str) -> EtcdError {
        EtcdError::Refused {
            endpoint: self.endpoint.clone(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn broken(&self, reason: &str) -> EtcdError {
        EtcdError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason: reason.to_owned(),
        }
    }
}

async fn within<T>(
    limit: Duration,
    endpoint: &str,
    work: impl Future<Output = Result<T, EtcdError>>,
) -> Result<T, EtcdError> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(EtcdError::Timeout {
            endpoint: endpoint.to_owned(),
            after: whole_millis(limit),
        })
    })
}

async fn dial(
    uri: &Uri,
    tls: Option<Arc<rustls::ClientConfig>>,
    round: usize,
    alert: Alert,
) -> io::Result<Stream> {
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let port = uri.port_u16().unwrap_or_default();
    let addresses = in_turn(lookup_host((host, port)).await?.collect(), round);
    let tcp = TcpStream::connect(addresses.as_slice()).await?;
    tcp.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Stream::Plain(tcp));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls).connect(name, tcp).await?;
    Ok(Stream::Tls(Box::new(stream), alert))
}

/// Another address comes first in each round: the one that came first may be hung.
fn in_turn<T>(mut addresses: Vec<T>, round: usize) -> Vec<T> {
    let count = addresses.len().max(1);
    addresses.rotate_left(round % count);
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_starts_at_the_next_address_and_knows_them_all() {
        let order = |round| in_turn(vec!["a", "b", "c"], round);
        assert_eq!(order(0), ["a", "b", "c"]);
        assert_eq!(order(1), ["b", "c", "a"]);
        assert_eq!(order(5), ["c", "a", "b"]);
        assert_eq!(in_turn(Vec::<&str>::new(), 1), [""; 0]);
    }

    #[test]
    fn a_round_ends_when_every_endpoint_has_had_its_turn() {
        let mut connector = Connector::new(EtcdConfig {
            endpoints: vec!["http://a:1".to_owned(), "http://b:1".to_owned()],
            credentials: None,
            tls: None,
        });
        let turns: Vec<_> = (0..4)
            .map(|_| {
                connector.rotate();
                (connector.current, connector.round)
            })
            .collect();
        assert_eq!(turns, [(1, 0), (0, 1), (1, 1), (0, 2)]);
    }
}
