use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Etcd, Nginx, Running, SOON, register};

struct Manager {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Manager {
    fn listen() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self { socket, directory }
    }

    fn agent(&self, etcd: &Etcd, backend: &Nginx) -> Running {
        Running::spawn(
            register()
                .args([
                    "--service",
                    "web",
                    "--address",
                    &backend.address(),
                    "--endpoints",
                    &etcd.url(),
                ])
                .args(["--interval", "200ms", "--fast-interval", "100ms"])
                .env("NOTIFY_SOCKET", self.directory.path().join("notify"))
                .env("WATCHDOG_USEC", "200000"),
        )
    }

    /// The next message that is no sign of life.
    fn next(&self) -> String {
        loop {
            let message = self.any();
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }

    fn any(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message in time");
        String::from_utf8_lossy(&buffer[..length])
            .trim_end()
            .to_owned()
    }
}

#[test]
fn ready_comes_with_the_registration_and_stopping_with_the_end() {
    let (etcd, backend, manager) = (Etcd::start(), Nginx::start(), Manager::listen());
    let mut agent = manager.agent(&etcd, &backend);
    assert_eq!(manager.next(), "STATUS=waiting for etcd");
    assert_eq!(manager.next(), "READY=1");
    assert!(etcd.get(&backend.key()).is_some());
    assert_eq!(manager.next(), "STATUS=registered");
    agent.signal(Signal::TERM);
    assert_eq!(manager.next(), "STOPPING=1");
    assert_eq!(manager.next(), "STATUS=deregistering");
    assert_eq!(agent.wait_for_exit(SOON), 0);
}

#[test]
fn known_to_be_down_is_ready_too() {
    let (etcd, mut backend, manager) = (Etcd::start(), Nginx::start(), Manager::listen());
    backend.stop();
    let _agent = manager.agent(&etcd, &backend);
    assert_eq!(manager.next(), "STATUS=waiting for etcd");
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(manager.next(), "STATUS=backend is down; not registered");
}

#[test]
fn it_is_not_ready_while_etcd_is_away_but_alive() {
    let (mut etcd, backend, manager) = (Etcd::start(), Nginx::start(), Manager::listen());
    etcd.kill();
    let _agent = manager.agent(&etcd, &backend);
    assert_eq!(manager.next(), "STATUS=waiting for etcd");
    assert_eq!(manager.any(), "WATCHDOG=1");
    assert_eq!(manager.any(), "WATCHDOG=1");
    etcd.restart();
    assert_eq!(manager.next(), "READY=1");
}

#[test]
fn the_watchdog_is_fed_at_half_its_time() {
    let (etcd, backend, manager) = (Etcd::start(), Nginx::start(), Manager::listen());
    let agent = manager.agent(&etcd, &backend);
    manager
        .socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    for _ in 0..20 {
        manager.any();
    }
    agent.signal(Signal::STOP);
    manager
        .socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let silent = (0..50).any(|_| manager.socket.recv(&mut [0; 4096]).is_err());
    assert!(silent, "a stopped agent must not feed the watchdog");
}
