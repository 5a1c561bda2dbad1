//! etcd, one member or several.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Owned, SOON, Wire, eventually, own_address, signal, tool};

/// In its directory. etcd takes no name without a port.
const SOCKET: &str = "socket:1";

pub struct Etcd {
    client: SocketAddrV4,
    peer: SocketAddrV4,
    /// Where the other members find it.
    peer_url: String,
    name: String,
    cluster: String,
    scheme: &'static str,
    server_flags: Vec<String>,
    client_flags: Vec<String>,
    directory: TempDir,
    process: Option<Owned>,
}

/// A key as etcd has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub value: String,
    pub lease: i64,
    pub mod_revision: i64,
}

impl Etcd {
    pub fn start() -> Self {
        let mut etcd = Self::prepare("m0");
        etcd.cluster = etcd.member();
        etcd.run();
        etcd.wait_until_healthy();
        etcd
    }

    /// Takes no more writes once its data are larger than so many bytes.
    pub fn start_with_quota(bytes: u32) -> Self {
        Self::start_with(format!("--quota-backend-bytes={bytes}"))
    }

    /// Speaks the v2 API too.
    pub fn start_with_v2() -> Self {
        Self::start_with("--enable-v2".to_owned())
    }

    /// Grants no lease for less than three seconds.
    pub fn start_with_long_leases() -> Self {
        Self::start_with("--election-timeout=2000".to_owned())
    }

    /// Its logins' tokens say of which users and roles they know, and are of no use once those are
    /// changed. By default only the tokens of users that are changed are.
    pub fn start_with_signed_tokens() -> Self {
        let etcd = Self::prepare("m0");
        let secret = etcd.directory.path().join("secret");
        std::fs::write(&secret, "what the tokens are signed with").unwrap();
        let path = secret.display();
        etcd.started_with(format!(
            "--auth-token=jwt,sign-method=HS256,priv-key={path}"
        ))
    }

    /// Listens on a Unix socket, too.
    pub fn start_with_a_socket() -> Self {
        let etcd = Self::prepare("m0");
        let urls = format!("{},unix://{SOCKET}", etcd.url());
        etcd.started_with(format!("--listen-client-urls={urls}"))
    }

    /// Where, if it does.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(SOCKET)
    }

    fn start_with(server_flag: String) -> Self {
        Self::prepare("m0").started_with(server_flag)
    }

    fn started_with(mut self, server_flag: String) -> Self {
        self.cluster = self.member();
        self.server_flags = vec![server_flag];
        self.run();
        self.wait_until_healthy();
        self
    }

    /// From now on every write is refused with the code for data loss; reads are served.
    pub fn raise_corruption_alarm(&self) {
        let Putter {
            mut client,
            runtime,
        } = self.putter();
        let raised = client.alarm(
            etcd_client::AlarmAction::Activate,
            etcd_client::AlarmType::Corrupt,
            None,
        );
        runtime.block_on(raised).unwrap();
    }

    pub fn disarm(&self) {
        self.ctl(&["alarm", "disarm"]);
    }

    /// Drops old revisions, and takes writes again.
    pub fn make_room(&self) {
        self.ctl(&["compact", &self.revision().to_string()]);
        self.ctl(&["defrag"]);
        self.ctl(&["alarm", "disarm"]);
    }

    pub fn start_cluster(size: usize) -> Vec<Self> {
        Self::start_members(Self::prepare_members(size, &[]))
    }

    /// A cluster whose members talk to each other over wires: the wire to each of them.
    pub fn start_cluster_on_wires(size: usize, server_flags: &[&str]) -> (Vec<Self>, Vec<Wire>) {
        let mut members = Self::prepare_members(size, server_flags);
        let wires: Vec<_> = members.iter().map(|m| Wire::to_peer(m.peer)).collect();
        for (member, wire) in members.iter_mut().zip(&wires) {
            member.peer_url = wire.url();
        }
        (Self::start_members(members), wires)
    }

    /// A member of this one's cluster that learns, tells its status, and serves nothing.
    pub fn start_learner(&self) -> Self {
        let mut learner = Self::prepare("learner");
        let url = format!("--peer-urls={}", learner.peer_url);
        self.ctl(&["member", "add", "learner", "--learner", &url]);
        learner.cluster = format!("{},{}", self.cluster, learner.member());
        learner.server_flags = vec!["--initial-cluster-state=existing".to_owned()];
        learner.run();
        eventually("the learner answers", SOON, || {
            learner.try_ctl(&["endpoint", "status"])
        });
        learner
    }

    fn prepare_members(size: usize, server_flags: &[&str]) -> Vec<Self> {
        let prepare = |n| {
            let mut member = Self::prepare(&format!("m{n}"));
            member.server_flags = server_flags.iter().map(|&flag| flag.to_owned()).collect();
            member
        };
        (0..size).map(prepare).collect()
    }

    fn start_members(mut members: Vec<Self>) -> Vec<Self> {
        let cluster = members
            .iter()
            .map(Self::member)
            .collect::<Vec<_>>()
            .join(",");
        for member in &mut members {
            member.cluster.clone_from(&cluster);
            member.run();
        }
        for member in &members {
            member.wait_until_healthy();
        }
        members
    }

    /// TLS, with client certificates asked for.
    /// `server` and `client` are certificate and key; `server`'s is for `ip`.
    pub fn start_tls(
        ip: Ipv4Addr,
        ca: &Path,
        server: (&Path, &Path),
        client: (&Path, &Path),
    ) -> Self {
        let text = |path: &Path| path.display().to_string();
        let mut etcd = Self::prepare("m0");
        etcd.client.set_ip(ip);
        etcd.scheme = "https";
        etcd.cluster = etcd.member();
        etcd.server_flags = vec![
            format!("--cert-file={}", text(server.0)),
            format!("--key-file={}", text(server.1)),
            "--client-cert-auth".to_owned(),
            format!("--trusted-ca-file={}", text(ca)),
        ];
        etcd.client_flags = vec![
            format!("--cacert={}", text(ca)),
            format!("--cert={}", text(client.0)),
            format!("--key={}", text(client.1)),
        ];
        etcd.run();
        etcd.wait_until_healthy();
        etcd
    }

    /// TLS with a certificate that it makes for itself.
    pub fn start_auto_tls() -> Self {
        let mut etcd = Self::prepare("m0");
        etcd.scheme = "https";
        etcd.cluster = etcd.member();
        etcd.server_flags = vec!["--auto-tls".to_owned()];
        etcd.run();
        // No flag makes etcdctl 3.4 take that certificate.
        eventually("etcd listens", SOON, || {
            TcpStream::connect(etcd.client).map_err(|error| error.to_string())
        });
        etcd
    }

    fn prepare(name: &str) -> Self {
        let peer = own_address();
        Self {
            client: own_address(),
            peer,
            peer_url: format!("http://{peer}"),
            name: name.to_owned(),
            cluster: String::new(),
            scheme: "http",
            server_flags: Vec::new(),
            client_flags: Vec::new(),
            directory: tempfile::tempdir().unwrap(),
            process: None,
        }
    }

    fn member(&self) -> String {
        format!("{}={}", self.name, self.peer_url)
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.client)
    }

    pub fn address(&self) -> SocketAddrV4 {
        self.client
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().0.id()
    }

    fn run(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        let child = tool("etcd")
            .args(["--name", &self.name])
            .arg("--data-dir")
            .arg(self.directory.path().join("data"))
            .args([
                "--listen-client-urls",
                &self.url(),
                "--advertise-client-urls",
                &self.url(),
            ])
            .args(["--listen-peer-urls", &format!("http://{}", self.peer)])
            .args(["--initial-advertise-peer-urls", &self.peer_url])
            .args(["--initial-cluster", &self.cluster])
            // Quick elections, and leases as short as one second.
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .args(&self.server_flags)
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(Owned(child));
    }

    fn wait_until_healthy(&self) {
        self.wait_for_an_answer(SOON);
    }

    fn wait_for_an_answer(&self, limit: Duration) {
        eventually("etcd answers", limit, || self.try_ctl(&["get", "health"]));
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    pub fn restart(&mut self) {
        self.restart_within(SOON);
    }

    /// For a member whose cluster may have to choose a leader first.
    pub fn restart_within(&mut self, limit: Duration) {
        self.run();
        self.wait_for_an_answer(limit);
    }

    /// Kills it and starts it with nothing in it.
    pub fn wipe(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.directory.path().join("data")).unwrap();
        self.restart();
    }

    /// It accepts, and never answers.
    pub fn hang(&self) {
        signal(&self.process.as_ref().unwrap().0, Signal::STOP);
    }

    pub fn resume(&self) {
        signal(&self.process.as_ref().unwrap().0, Signal::CONT);
    }

    pub fn use_client_flags(&mut self, flags: &[&str]) {
        self.client_flags
            .extend(flags.iter().map(|flag| (*flag).to_owned()));
    }

    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.try_ctl(arguments).unwrap()
    }

    pub fn try_ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.ctl_command().args(arguments).output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// For puts quicker than etcdctl's.
    pub fn putter(&self) -> Putter {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(etcd_client::Client::connect([self.url()], None));
        Putter {
            client: client.unwrap(),
            runtime,
        }
    }

    /// Puts many keys, a hundred at a time.
    pub fn put_each(&self, pairs: impl Iterator<Item = (String, String)>) {
        let pairs: Vec<_> = pairs.collect();
        let mut putter = self.putter();
        for some in pairs.chunks(100) {
            let puts = some
                .iter()
                .map(|(key, value)| etcd_client::TxnOp::put(key.as_str(), value.as_str(), None));
            let txn = etcd_client::Txn::new().and_then(puts.collect::<Vec<_>>());
            putter.runtime.block_on(putter.client.txn(txn)).unwrap();
        }
    }

    /// The same, under a lease of an hour each.
    pub fn put_each_leased(&self, pairs: impl Iterator<Item = (String, String)>) {
        let pairs: Vec<_> = pairs.collect();
        let Putter {
            mut client,
            runtime,
        } = self.putter();
        for some in pairs.chunks(100) {
            let puts = some.iter().map(|(key, value)| {
                let lease = runtime
                    .block_on(client.lease_grant(3600, None))
                    .unwrap()
                    .id();
                let options = etcd_client::PutOptions::new().with_lease(lease);
                etcd_client::TxnOp::put(key.as_str(), value.as_str(), Some(options))
            });
            let txn = etcd_client::Txn::new().and_then(puts.collect::<Vec<_>>());
            runtime.block_on(client.txn(txn)).unwrap();
        }
    }

    fn ctl_command(&self) -> Command {
        let mut command = tool("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .args([
                "--endpoints",
                &self.url(),
                "--command-timeout=2s",
                "--dial-timeout=2s",
            ])
            .args(&self.client_flags);
        command
    }

    pub fn revision(&self) -> i64 {
        self.json(&["get", "no such key"])["header"]["revision"]
            .as_i64()
            .unwrap()
    }

    pub fn get(&self, key: &str) -> Option<Held> {
        let answer = self.json(&["get", key]);
        let kv = answer["kvs"].as_array()?.first()?;
        Some(Held {
            value: String::from_utf8(base64(kv["value"].as_str().unwrap_or_default())).unwrap(),
            lease: kv["lease"].as_i64().unwrap_or(0),
            mod_revision: kv["mod_revision"].as_i64().unwrap(),
        })
    }

    /// The keys below a prefix, with the revision at which each was last put.
    pub fn keys(&self, prefix: &str) -> BTreeMap<String, i64> {
        let answer = self.json(&["get", "--prefix", prefix]);
        let text = |field: &Value| String::from_utf8(base64(field.as_str().unwrap())).unwrap();
        let kvs = answer["kvs"].as_array().into_iter().flatten();
        kvs.map(|kv| (text(&kv["key"]), kv["mod_revision"].as_i64().unwrap()))
            .collect()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ctl(&[arguments, &["--write-out=json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Its id, as members name each other, and whether it leads.
    pub fn standing(&self) -> (String, bool) {
        let answer = self.json(&["endpoint", "status"]);
        let status = &answer[0]["Status"];
        let id = status["header"]["member_id"].as_u64().unwrap();
        (format!("{id:x}"), status["leader"].as_u64() == Some(id))
    }

    pub fn lease_count(&self) -> usize {
        let leases = self.ctl(&["lease", "list"]);
        leases.lines().count() - 1
    }

    /// Grants a lease and puts the key under it, as another agent would.
    pub fn put_leased(&self, key: &str, value: &str, ttl: u32) -> String {
        let granted = self.ctl(&["lease", "grant", &ttl.to_string()]);
        let lease = granted.split_whitespace().nth(1).unwrap().to_owned();
        self.ctl(&["put", key, value, &format!("--lease={lease}")]);
        lease
    }

    pub fn wait_for(&self, key: &str, limit: Duration) -> Held {
        eventually(&format!("{key} is there"), limit, || {
            self.get(key).ok_or_else(|| "no key".to_owned())
        })
    }

    pub fn wait_for_value(&self, key: &str, value: &str) -> Held {
        eventually(&format!("{key} = {value}"), SOON, || match self.get(key) {
            Some(held) if held.value == value => Ok(held),
            other => Err(format!("{other:?}")),
        })
    }

    pub fn wait_until_gone(&self, key: &str, limit: Duration) {
        eventually(&format!("{key} is gone"), limit, || match self.get(key) {
            None => Ok(()),
            Some(held) => Err(format!("{held:?}")),
        });
    }
}

/// A connection that puts.
pub struct Putter {
    client: etcd_client::Client,
    runtime: tokio::runtime::Runtime,
}

impl Putter {
    pub fn put(&mut self, key: &str, value: &str) {
        let put = self.client.put(key, value, None);
        self.runtime.block_on(put).unwrap();
    }
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for symbol in text.bytes().filter(|symbol| *symbol != b'=') {
        let value = ALPHABET
            .iter()
            .position(|letter| *letter == symbol)
            .unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}
