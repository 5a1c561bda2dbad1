//! etcd over the network: the only file that names `etcd_client`.

pub mod member;
pub mod renewals;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, EventType, GetOptions, LeaseGrantOptions,
    PutOptions, ResponseHeader, Txn, TxnOp, WatchOptions, WatchResponse, WatchStream,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::HeaderValue;
use tonic::transport::{Endpoint, Uri};
use tonic::{Code, Status};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tracing::info;

use super::announcement::Announcement;
use super::api::{
    Answer, Call, Change, Condition, Dial, History, KeyValue, Link, Login, Page, Read, Watch,
    WatchAnswer, WatchFrom, What,
};
use super::config::{Credentials, EtcdConfig};
use super::discovery::Search;
use super::error::{EtcdError, Problem};
use super::lease::Lease;
use super::status;
use super::stream::{Notes, Stream, Transport};
use super::token::TokenChannel;
use crate::deadline::now;
use crate::registration::LeaseId;
use renewals::WireRenewals;

/// etcd refuses clients that ping more often than every 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// What a name server may cost those who could do without its answer.
const BRIEFLY: Duration = Duration::from_millis(100);

/// The most that one answer may take. What is read is what the caller asked to hold in memory.
const MESSAGE_LIMIT: usize = 1 << 30;

/// Connects to etcd's endpoints.
#[derive(Clone, Debug)]
pub struct WireDial {
    config: EtcdConfig,
    search: Option<Search>,
}

/// A connection.
pub struct WireLink {
    client: Client,
    channel: TokenChannel,
    credentials: Option<Credentials>,
    errors: Errors,
}

/// A stream of watches; they are numbered from 1.
pub struct WireWatch {
    stream: WatchStream,
    /// What came while the watches were created.
    early: VecDeque<WatchResponse>,
    errors: Errors,
}

/// Makes errors of ours of etcd's.
#[derive(Clone)]
struct Errors {
    endpoint: String,
    /// Whether we have a user.
    named: bool,
    notes: Notes,
}

impl WireDial {
    /// `config.endpoints` is not empty, or there is a `config.discovery`.
    #[must_use]
    pub fn new(config: EtcdConfig) -> Self {
        let search = config.discovery.clone().map(Search::new);
        Self { config, search }
    }

    /// What a certificate has to be for, if not for the endpoint's host.
    fn server_name(&self) -> Option<String> {
        Some(self.config.discovery.as_ref()?.domain.clone())
    }

    fn take_in(&mut self, found: Vec<String>) {
        let before = std::mem::replace(&mut self.config.endpoints, found);
        let endpoints = &self.config.endpoints;
        if before != *endpoints {
            let list = endpoints.join(", ");
            info!(event = "endpoints_found", "etcd's endpoints by DNS: {list}");
        }
    }
}

impl Dial for WireDial {
    type Link = WireLink;

    /// Those that are known are kept where the look-up fails, and are not kept waiting by it.
    async fn find_endpoints(&mut self, round: usize) -> Result<(), EtcdError> {
        let Some(search) = self.search.as_mut().filter(|search| search.is_due(round)) else {
            return Ok(());
        };
        if self.config.endpoints.is_empty() {
            let found = search.find(round).await;
            let none = |reason| EtcdError::new(self.endpoint(0), Problem::Unavailable, reason);
            let found = found.map_err(none)?;
            self.take_in(found);
        } else if let Ok(Ok(found)) = timeout(BRIEFLY, search.find(round)).await {
            self.take_in(found);
        }
        Ok(())
    }

    /// Before any is found, the domain stands for them.
    fn endpoint_count(&self) -> usize {
        self.config.endpoints.len().max(1)
    }

    fn endpoint(&self, number: usize) -> &str {
        match (self.config.endpoints.get(number), &self.config.discovery) {
            (Some(endpoint), _) => endpoint,
            (None, Some(discovery)) => &discovery.domain,
            (None, None) => unreachable!("there is no endpoint {number}"),
        }
    }

    async fn dial(&mut self, number: usize, round: usize) -> Result<WireLink, EtcdError> {
        let tls = self.config.tls.as_mut().map(|tls| {
            tls.refresh();
            tls.config()
        });
        let endpoint = self.endpoint(number).to_owned();
        let name = self.server_name();
        let tls = tls.filter(|_| endpoint.starts_with("https://"));
        let notes = Notes::default();
        let not_connected =
            |error: tonic::transport::Error| status::not_connected(&endpoint, &error);
        let noting = notes.clone();
        let socket = endpoint.strip_prefix("unix://").map(str::to_owned);
        let url = match &socket {
            Some(_) => "http://localhost".to_owned(),
            // tonic would insist on its own TLS for an https:// URL; ours is in the stream already.
            None => endpoint.replacen("https://", "http://", 1),
        };
        let channel = Endpoint::from_shared(url)
            .map_err(not_connected)?
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector(tower::service_fn(move |uri: Uri| {
                let (tls, name, notes) = (tls.clone(), name.clone(), noting.clone());
                let socket = socket.clone();
                async move {
                    let transport = match socket {
                        Some(path) => Transport::Unix(UnixStream::connect(path).await?),
                        None => connect(&uri, tls, name, round).await?,
                    };
                    Ok::<_, io::Error>(TokioIo::new(Stream { transport, notes }))
                }
            }))
            .await
            .map_err(not_connected)?;
        let options = ConnectOptions::new().with_require_leader(true);
        let channel = TokenChannel::new(channel);
        let custom = BoxCloneSyncService::new(channel.clone().map_err(Into::into));
        let client = Client::from_channel(etcd_client::Channel::Custom(custom), Some(options))
            .await
            .map_err(|error| EtcdError::new(&endpoint, Problem::Unavailable, error.to_string()))?;
        Ok(WireLink {
            client,
            channel,
            credentials: self.config.credentials.clone(),
            errors: Errors {
                endpoint,
                named: self.config.credentials.is_some(),
                notes,
            },
        })
    }
}

async fn connect(
    uri: &Uri,
    tls: Option<Arc<rustls::ClientConfig>>,
    name: Option<String>,
    round: usize,
) -> io::Result<Transport> {
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
        return Ok(Transport::Plain(tcp));
    };
    let name = name.unwrap_or_else(|| host.to_owned());
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls).connect(name, tcp).await?;
    Ok(Transport::Tls(Box::new(stream)))
}

/// Another address comes first in each round: the one that came first may be hung.
fn in_turn<T>(mut addresses: Vec<T>, round: usize) -> Vec<T> {
    let count = addresses.len().max(1);
    addresses.rotate_left(round % count);
    addresses
}

impl Link for WireLink {
    type Watch = WireWatch;
    type Renewals = WireRenewals;

    fn endpoint(&self) -> &str {
        &self.errors.endpoint
    }

    async fn log_in(&self) -> Result<Login, EtcdError> {
        let Some(Credentials { user, password }) = self.credentials.clone() else {
            return Ok(Login::AsAsked);
        };
        match self.client.auth_client().authenticate(user, password).await {
            Ok(answer) => {
                let token = HeaderValue::from_str(answer.token());
                let token = token.map_err(|_| self.errors.broken("the token is no header"))?;
                self.channel.carry(Some(token));
                Ok(Login::AsAsked)
            }
            Err(etcd_client::Error::GRpcStatus(status)) if status::is_without_users(&status) => {
                self.channel.carry(None);
                Ok(Login::NotEnabled)
            }
            Err(error) => Err(self.errors.of(&error)),
        }
    }

    async fn ask(&self, call: &Call) -> Result<Answer, EtcdError> {
        let answer = match call {
            Call::Read(read) => self.read(read).await,
            Call::Grant { lease, ttl } => self.grant(*lease, *ttl).await,
            Call::Put {
                announcement,
                lease,
                unchanged_since,
            } => {
                let Announcement { key, value, .. } = &**announcement;
                let under_lease = PutOptions::new().with_lease(*lease);
                let put = TxnOp::put(key.as_str(), value.as_str(), Some(under_lease));
                self.write(key, Condition::UnchangedSince(*unchanged_since), put)
                    .await
            }
            Call::Delete { announcement, when } => {
                let key = announcement.key.as_str();
                self.write(key, *when, TxnOp::delete(key, None)).await
            }
            Call::Revoke(lease) => {
                let revoked = self.client.clone().lease_revoke(*lease).await;
                revoked.map(|_| Answer::Revoked)
            }
            Call::TimeLeft(lease) => self.time_left(*lease).await.map(Answer::TimeLeft),
        };
        answer.map_err(|error| self.errors.of(&error))
    }

    async fn watch(&self, watches: &[WatchFrom<'_>]) -> Result<WireWatch, EtcdError> {
        let errors = self.errors.clone();
        let mut requests = (1..).zip(watches).map(|(id, watch)| {
            let options = WatchOptions::new()
                .with_watch_id(id)
                .with_start_revision(watch.next)
                .with_progress_notify();
            let options = match &watch.range.end {
                Some(end) => options.with_range(end.clone()),
                None => options,
            };
            (watch.range.start.clone(), options)
        });
        let Some((key, options)) = requests.next() else {
            return Err(errors.broken("there is nothing to watch"));
        };
        let mut client = self
            .client
            .watch_client()
            .max_decoding_message_size(MESSAGE_LIMIT);
        let of = |error| errors.of(&error);
        let mut stream = client.watch(key, Some(options)).await.map_err(of)?;
        for (key, options) in requests {
            stream.watch(key, Some(options)).await.map_err(of)?;
        }
        let mut watch = WireWatch {
            stream,
            early: VecDeque::with_capacity(watches.len()),
            errors,
        };
        watch.confirm(watches.len()).await?;
        Ok(watch)
    }

    fn renewals(&self) -> WireRenewals {
        WireRenewals::new(self.channel.clone(), self.errors.clone())
    }

    fn arrived(&self) -> u64 {
        self.errors.notes.arrived()
    }
}

impl WireLink {
    async fn read(&self, read: &Read) -> Result<Answer, etcd_client::Error> {
        let options = GetOptions::new()
            .with_limit(i64::try_from(read.limit).unwrap_or(i64::MAX))
            .with_revision(read.revision);
        let options = if read.serializable {
            options.with_serializable()
        } else {
            options
        };
        let options = match &read.range.end {
            Some(end) => options.with_range(end.clone()),
            None => options,
        };
        let options = match read.what {
            What::Everything => options,
            What::KeysOnly => options.with_keys_only(),
            What::CountOnly => options.with_count_only(),
        };
        let mut client = self
            .client
            .kv_client()
            .max_decoding_message_size(MESSAGE_LIMIT);
        let mut answer = client.get(read.range.start.clone(), Some(options)).await?;
        Ok(Answer::Page(Page {
            history: answer.header().map(history).unwrap_or_default(),
            more: answer.more(),
            entries: answer.take_kvs().into_iter().map(key_value).collect(),
        }))
    }

    async fn grant(&self, lease: LeaseId, ttl: Duration) -> Result<Answer, etcd_client::Error> {
        let sent_at = now();
        let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let options = LeaseGrantOptions::new().with_id(lease);
        let mut client = self.client.clone();
        let granted = client.lease_grant(seconds, Some(options)).await?;
        let ttl = seconds_of(granted.ttl()).unwrap_or_default();
        Ok(Answer::Granted(Lease::granted(lease, ttl, sent_at)))
    }

    async fn write(
        &self,
        key: &str,
        when: Condition,
        write: TxnOp,
    ) -> Result<Answer, etcd_client::Error> {
        let condition = match when {
            Condition::HeldBy(lease) => Compare::lease(key, CompareOp::Equal, lease),
            Condition::UnchangedSince(revision) => {
                Compare::mod_revision(key, CompareOp::Equal, revision)
            }
        };
        let txn = Txn::new().when([condition]).and_then([write]);
        let answer = self.client.clone().txn(txn).await?;
        Ok(if answer.succeeded() {
            Answer::Written {
                revision: answer.header().map_or(0, ResponseHeader::revision),
            }
        } else {
            Answer::Unchanged
        })
    }

    async fn time_left(&self, lease: LeaseId) -> Result<Option<Duration>, etcd_client::Error> {
        match self.client.clone().lease_time_to_live(lease, None).await {
            Ok(answer) => Ok(seconds_of(answer.ttl())),
            Err(etcd_client::Error::GRpcStatus(status)) if status.code() == Code::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl WireWatch {
    /// Waits until etcd has said of each watch that it was created. What it tells meanwhile, that
    /// included, is kept.
    async fn confirm(&mut self, count: usize) -> Result<(), EtcdError> {
        let mut missing = count;
        while missing > 0 {
            let message = self.message().await?;
            missing -= usize::from(message.created());
            self.early.push_back(message);
        }
        Ok(())
    }

    async fn message(&mut self) -> Result<WatchResponse, EtcdError> {
        match self.stream.message().await {
            Ok(Some(message)) if message.canceled() => Err(self.errors.of_cancelled(&message)),
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.errors.broken("the watch was ended")),
            Err(error) => Err(self.errors.of(&error)),
        }
    }
}

impl Watch for WireWatch {
    async fn next(&mut self) -> Result<WatchAnswer, EtcdError> {
        let message = match self.early.pop_front() {
            Some(message) => message,
            None => self.message().await?,
        };
        Ok(WatchAnswer {
            // An id that we did not give is no watch's.
            watch: usize::try_from(message.watch_id() - 1).unwrap_or(usize::MAX),
            created: message.created(),
            changes: message.events().iter().filter_map(change).collect(),
            revision: message.header().map_or(0, ResponseHeader::revision),
        })
    }
}

impl Errors {
    fn of(&self, error: &etcd_client::Error) -> EtcdError {
        let error = match error {
            etcd_client::Error::GRpcStatus(status) => return self.of_status(status),
            etcd_client::Error::TransportError(error) => {
                status::not_connected(&self.endpoint, error)
            }
            // The text alone, without what kind of error it is to `etcd_client`.
            etcd_client::Error::EndpointError(reason) => return self.broken(reason),
            other => self.broken(&other.to_string()),
        };
        self.notes.explain(error)
    }

    fn of_status(&self, status: &Status) -> EtcdError {
        let error = status::error(&self.endpoint, status, self.named);
        self.notes.explain(error)
    }

    fn of_cancelled(&self, message: &WatchResponse) -> EtcdError {
        if message.compact_revision() > 0 {
            let reason = format!("revision {} was compacted", message.compact_revision());
            return EtcdError::new(&self.endpoint, Problem::NotThatRevision, reason);
        }
        status::watch_refused(&self.endpoint, message.cancel_reason(), self.named)
    }

    fn broken(&self, reason: &str) -> EtcdError {
        EtcdError::new(&self.endpoint, Problem::Unavailable, reason)
    }
}

fn history(header: &ResponseHeader) -> History {
    History {
        cluster: header.cluster_id(),
        term: header.raft_term(),
        revision: header.revision(),
    }
}

fn key_value(kv: etcd_client::KeyValue) -> KeyValue {
    let (lease, revision) = (kv.lease(), kv.mod_revision());
    let (key, value) = kv.into_key_value();
    KeyValue {
        key: key.into(),
        value: value.into(),
        lease,
        revision,
    }
}

fn change(event: &etcd_client::Event) -> Option<Change> {
    let kv = event.kv()?;
    let is_put = event.event_type() == EventType::Put;
    Some(Change {
        key: Bytes::copy_from_slice(kv.key()),
        value: is_put.then(|| Bytes::copy_from_slice(kv.value())),
        lease: kv.lease(),
        revision: kv.mod_revision(),
    })
}

/// None if there is nothing left.
fn seconds_of(ttl: i64) -> Option<Duration> {
    let seconds = u64::try_from(ttl).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds))
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
}
