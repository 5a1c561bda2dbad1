//! A name server, and commands that ask it.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use simple_dns::rdata::{RData, SRV};
use simple_dns::{CLASS, Name, Packet, RCODE, ResourceRecord};

use super::own_address;
use super::rights::{is_root_for, own_mounts, wrapped};

/// An SRV record: its name, its priority, and the host and port that it gives.
pub type Record = (&'static str, u16, &'static str, u16);

pub struct NameServer {
    ip: Ipv4Addr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// An address that only root may listen at; nobody does so far.
    pub fn prepare() -> Option<Self> {
        is_root_for("a name server's port").then(|| Self {
            ip: *own_address().ip(),
            stop: Arc::default(),
            thread: None,
        })
    }

    pub fn start(records: &[Record]) -> Option<Self> {
        let mut server = Self::prepare()?;
        server.serve(records);
        Some(server)
    }

    /// Knows these records by now, and no other name.
    pub fn serve(&mut self, records: &[Record]) {
        self.stop();
        self.stop = Arc::default();
        let socket = UdpSocket::bind((self.ip, 53)).unwrap();
        let pause = Duration::from_millis(100);
        socket.set_read_timeout(Some(pause)).unwrap();
        let (records, stop) = (records.to_vec(), Arc::clone(&self.stop));
        self.thread = Some(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let mut query = [0; 512];
                if let Ok((length, client)) = socket.recv_from(&mut query) {
                    let reply = answer(&query[..length], &records);
                    socket.send_to(&reply, client).unwrap();
                }
            }
        }));
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// The same command, which asks this server. `hosts` are lines of `/etc/hosts`.
    pub fn asked_by(&self, hosts: &str, command: &Command) -> Command {
        let script = "mount -t tmpfs tmpfs /run \
            && printf '%b' \"$0\" > /run/hosts && echo \"nameserver $1\" > /run/resolv.conf \
            && mount --bind /run/hosts /etc/hosts \
            && mount --bind /run/resolv.conf /etc/resolv.conf \
            && shift && exec \"$@\"";
        let ip = self.ip.to_string();
        let mounts = own_mounts().unwrap();
        let wrapper = [mounts, &["sh", "-c", script, hosts, &ip]].concat();
        wrapped(&wrapper, command)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answer(query: &[u8], records: &[Record]) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let asked = query.questions[0].qname.to_string();
    let mut reply = query.clone().into_reply();
    reply.questions.clone_from(&query.questions);
    for (name, priority, target, port) in records.iter().filter(|(name, ..)| *name == asked) {
        let srv = SRV {
            priority: *priority,
            weight: 1,
            port: *port,
            target: Name::new_unchecked(target),
        };
        let (name, data) = (Name::new_unchecked(name), RData::SRV(srv));
        reply
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 1, data));
    }
    if reply.answers.is_empty() {
        *reply.rcode_mut() = RCODE::NameError;
    }
    reply.build_bytes_vec().unwrap()
}
