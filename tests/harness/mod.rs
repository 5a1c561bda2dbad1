//! Real servers and the binary under test, each owned by a value that ends it when dropped.

pub mod balancer;
pub mod confdir;
pub mod etcd;
pub mod farm;
pub mod grpc_proxy;
pub mod load;
pub mod logged;
pub mod name_server;
pub mod nginx;
pub mod pki;
pub mod rights;
pub mod running;
pub mod site;
pub mod wire;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use balancer::Balancer;
pub use confdir::Confdir;
pub use etcd::Etcd;
pub use farm::{Farm, Health};
pub use grpc_proxy::GrpcProxy;
pub use load::Load;
pub use logged::Logged;
pub use name_server::NameServer;
pub use nginx::Nginx;
pub use pki::Pki;
pub use running::{Running, register};
pub use site::{Mood, Site};
pub use wire::{Line, Wire};

/// For what should happen soon, on a loaded machine.
pub const SOON: Duration = Duration::from_secs(10);

/// Waits until `look` finds what is waited for, and fails with what it saw last.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(
                Instant::now() < deadline,
                "{what}: not within {limit:?}; last seen: {seen}"
            ),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Prints a figure, also when the test passes: only what is printed by macros is held back.
pub fn figure(text: &str) {
    let line = format!("  {text}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A free port on a loopback address that no other test has, so that nobody else's outgoing
/// connection can take the port while its server restarts.
pub fn own_address() -> SocketAddrV4 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(own < 1023, "more servers than addresses");
    let ip = Ipv4Addr::from_bits(127 << 24 | own_block() << 10 | own);
    let port = TcpListener::bind((ip, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    SocketAddrV4::new(ip, port)
}

/// Which 1024 addresses of 127.0.0.0/8 are this process's for as long as it lives: whoever has bound
/// the name that goes with them. Such names, like the addresses, are those of the network name space.
fn own_block() -> u32 {
    const BLOCKS: u32 = 0x3fff;
    static OWN: OnceLock<(u32, UnixDatagram)> = OnceLock::new();
    let claim = |block| {
        let name = SocketAddr::from_abstract_name(format!("register's tests: {block}")).unwrap();
        let claimed = UnixDatagram::bind_addr(&name).ok()?;
        Some((block, claimed))
    };
    let first = std::process::id() % BLOCKS;
    let own = OWN.get_or_init(|| {
        let blocks = (0..BLOCKS).map(|n| 1 + (first + n) % BLOCKS);
        blocks.filter_map(claim).next().expect("a free block")
    });
    own.0
}

/// A program from the system, or from where `make deps` unpacks what the system has not.
pub fn tool(name: &str) -> Command {
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr");
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .chain([unpacked.join("bin"), unpacked.join("sbin")]);
    let found = directories
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    Command::new(found.unwrap_or_else(|| panic!("{name} is not installed: run `make deps`")))
}

pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

/// A process that is killed and reaped when its owner goes.
pub struct Owned(pub Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
