//! SRV records, asked for at the name servers of `/etc/resolv.conf`.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use gotemplate::Srv;
use gotemplate::Str;

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often each server is asked.
const ROUNDS: usize = 2;

/// How many servers and how many domains of resolv.conf count, as in glibc.
const SERVERS: usize = 3;
const DOMAINS: usize = 6;

/// What is asked, and how.
#[derive(Debug)]
pub(super) struct Resolver {
    servers: Vec<SocketAddr>,
    /// Domains to complete names with.
    search: Vec<String>,
    /// A name with so many dots is first tried as it is.
    ndots: usize,
    patience: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Found(Vec<Srv>),
    /// The server knows that there are none.
    None,
    /// The server cannot say.
    Failed,
}

/// The SRV records of a full name, as the system's name servers give them. None if there are none,
/// or no server answers.
#[must_use]
pub fn srv_records(name: &str) -> Vec<Srv> {
    Resolver::system().srv(name)
}

/// The same, where it matters whether there are none: `None` if no server answers.
#[must_use]
pub fn look_up_srv(name: &str) -> Option<Vec<SrvRecord>> {
    Some(
        Resolver::system()
            .look_up(name)?
            .iter()
            .map(SrvRecord::of)
            .collect(),
    )
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvRecord {
    /// With its final dot.
    pub host: String,
    /// Of the host.
    pub port: u16,
    /// The lower, the sooner it is tried.
    pub priority: u16,
    /// How often among those of one priority.
    pub weight: u16,
}

impl SrvRecord {
    fn of(srv: &Srv) -> Self {
        Self {
            host: String::from_utf8_lossy(&srv.target).into_owned(),
            port: srv.port,
            priority: srv.priority,
            weight: srv.weight,
        }
    }
}

impl Resolver {
    fn system() -> Self {
        let text = fs::read("/etc/resolv.conf").unwrap_or_default();
        let (config, _) = resolv_conf::Config::parse_with_errors(&text);
        let servers = config.get_nameservers_or_local();
        let servers = servers
            .iter()
            .map(|server| SocketAddr::new(server.into(), 53));
        let search = config.get_last_search_or_domain();
        Self {
            servers: servers.take(SERVERS).collect(),
            search: search.take(DOMAINS).cloned().collect(),
            ndots: config.ndots as usize,
            patience: PATIENCE,
        }
    }

    fn srv(&self, name: &str) -> Vec<Srv> {
        self.look_up(name).unwrap_or_default()
    }

    /// The records of the first of the possible names that has any; none if no server answers.
    fn look_up(&self, name: &str) -> Option<Vec<Srv>> {
        for name in self.names(name) {
            match self.ask_servers(&name) {
                Reply::Found(records) => return Some(records),
                Reply::None => {}
                // They would not answer for the next name either.
                Reply::Failed => return None,
            }
        }
        Some(Vec::new())
    }

    /// What `name` may mean, most likely first.
    fn names(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let domains = self
            .search
            .iter()
            .map(|domain| domain.trim_end_matches('.'));
        let mut names: Vec<_> = domains.map(|domain| format!("{name}.{domain}")).collect();
        let as_it_is = if name.matches('.').count() >= self.ndots {
            0
        } else {
            names.len()
        };
        names.insert(as_it_is, name.to_owned());
        names
    }

    fn ask_servers(&self, name: &str) -> Reply {
        if !name.split('.').all(|label| is_label(label.as_bytes())) {
            return Reply::None;
        }
        for server in self
            .servers
            .iter()
            .cycle()
            .take(ROUNDS * self.servers.len())
        {
            match self.ask(*server, name) {
                Some(Reply::Failed) | None => {}
                Some(answer) => return answer,
            }
        }
        Reply::Failed
    }

    fn ask(&self, server: SocketAddr, name: &str) -> Option<Reply> {
        let mut query = Packet::new_query(random_id());
        query.set_flags(PacketFlag::RECURSION_DESIRED);
        let (srv, internet) = (QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::IN));
        query
            .questions
            .push(Question::new(Name::new(name).ok()?, srv, internet, false));
        let bytes = query.build_bytes_vec().ok()?;
        let deadline = Instant::now() + self.patience;
        let reply = ask_udp(server, &query, &bytes, deadline).ok()?;
        let truncated =
            simple_dns::header_buffer::has_flags(&reply, PacketFlag::TRUNCATION).ok()?;
        if !truncated {
            return answer(&query, &reply);
        }
        let deadline = Instant::now() + self.patience;
        answer(&query, &ask_tcp(server, &bytes, deadline).ok()?)
    }
}

/// The first reply to `query`; others, which anybody can send, are passed over.
fn ask_udp(
    server: SocketAddr,
    query: &Packet,
    bytes: &[u8],
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let local: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(server)?;
    socket.send(bytes)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        let length = socket.recv(&mut buffer)?;
        let reply = buffer.get(..length).unwrap_or_default();
        if simple_dns::header_buffer::id(reply) == Ok(query.id()) {
            return Ok(reply.to_vec());
        }
    }
}

fn ask_tcp(server: SocketAddr, query: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    read_exact(&mut stream, &mut length, deadline)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    read_exact(&mut stream, &mut reply, deadline)?;
    Ok(reply)
}

fn read_exact(stream: &mut TcpStream, mut buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let length = stream.read(buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(length..).unwrap_or_default();
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// What a reply says, if it is one to `query`.
fn answer(query: &Packet, reply: &[u8]) -> Option<Reply> {
    let reply = Packet::parse(reply).ok()?;
    let asked = query.questions.first()?;
    let is_ours = reply.id() == query.id()
        && reply.has_flags(PacketFlag::RESPONSE)
        && reply
            .questions
            .first()
            .is_some_and(|question| same(&question.qname, &asked.qname));
    if !is_ours {
        return None;
    }
    Some(match reply.rcode() {
        RCODE::NoError => records(&reply),
        RCODE::NameError => Reply::None,
        _ => Reply::Failed,
    })
}

fn records(reply: &Packet) -> Reply {
    let mut records = Vec::new();
    for record in &reply.answers {
        let RData::SRV(srv) = &record.rdata else {
            continue;
        };
        if !srv.target.as_bytes().all(is_label) {
            return Reply::None;
        }
        records.push(Srv {
            target: host(&srv.target),
            port: srv.port,
            priority: srv.priority,
            weight: srv.weight,
        });
    }
    if records.is_empty() {
        return Reply::None;
    }
    Reply::Found(records)
}

/// A host name is text that ends up in files, so a label has nothing but what names are made of.
fn is_label(label: &[u8]) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The name with a final dot.
fn host(name: &Name) -> Str {
    let mut host: Vec<u8> = name.as_bytes().collect::<Vec<_>>().join(&b'.');
    host.push(b'.');
    host.into()
}

fn same(one: &Name, other: &Name) -> bool {
    one.as_bytes().count() == other.as_bytes().count()
        && one
            .as_bytes()
            .zip(other.as_bytes())
            .all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// Hard to guess, so that nobody else's reply is taken for the server's.
fn random_id() -> u16 {
    let [high, low, ..] = RandomState::new().hash_one(Instant::now()).to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests;
