//! What the service manager is told. Nothing happens where it does not listen (`NOTIFY_SOCKET`
//! unset), and nobody waits for it where it does not read.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Interval;

use crate::deadline::{now, sleep_until_some, tick, ticks};
use crate::world::Manager;

/// Until what it did not take is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the service manager how we are. What it does not take at once and must know in the end is
/// sent again; signs of life are not.
#[derive(Debug)]
pub struct Notifier<M> {
    manager: M,
    unsent: Unsent,
    again_at: Option<Instant>,
    watchdog: Option<Interval>,
}

/// The socket of the service manager; none where nobody listens.
#[derive(Debug)]
pub struct NotifySocket(Option<Line>);

#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    address: SocketAddr,
}

/// What the service manager has yet to be told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unsent {
    /// Since when, by the clock of the kernel that counts from its start.
    reloading: Option<Duration>,
    ready: bool,
    stopping: bool,
    status: Option<String>,
}

impl<M: Manager> Notifier<M> {
    /// `watchdog`: how often to tell it that the loop turns.
    pub fn new(manager: M, watchdog: Option<Duration>) -> Self {
        Self {
            manager,
            unsent: Unsent::default(),
            again_at: None,
            watchdog: watchdog.map(ticks),
        }
    }

    /// `READY=1`
    pub fn ready(&mut self) {
        self.unsent.ready = true;
        self.send_unsent();
    }

    /// `RELOADING=1`, until it is ready again.
    pub fn reloading(&mut self) {
        self.unsent.reloading = Duration::try_from(clock_gettime(ClockId::Monotonic)).ok();
        self.send_unsent();
    }

    /// `STOPPING=1`
    pub fn stopping(&mut self) {
        self.unsent.stopping = true;
        self.send_unsent();
    }

    /// `STATUS=`, one line.
    pub fn status(&mut self, text: &str) {
        self.unsent.status = Some(text.to_owned());
        self.send_unsent();
    }

    /// Does what is due by the clock alone: `WATCHDOG=1`, and what has not been told yet. To be
    /// waited for again and again. Cancel-safe.
    pub async fn tick(&mut self) {
        tokio::select! {
            biased;
            () = tick(&mut self.watchdog) => {
                // One that is not taken is not sent again: the next is soon.
                let _taken = self.manager.tell("WATCHDOG=1\n");
            }
            () = sleep_until_some(self.again_at) => self.send_unsent(),
        }
    }

    fn send_unsent(&mut self) {
        let sent = self.manager.tell(&self.unsent.text());
        if sent {
            self.unsent = Unsent::default();
        }
        self.again_at = (!sent).then(|| now() + PAUSE);
    }
}

impl NotifySocket {
    #[must_use]
    pub fn from_env() -> Self {
        Self(Line::from_env().unwrap_or_else(|error| {
            tracing::debug!(
                event = "manager_not_notified",
                %error,
                "the service manager cannot be notified"
            );
            None
        }))
    }
}

impl Manager for NotifySocket {
    fn tell(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|line| line.send(text))
    }
}

impl Line {
    fn from_env() -> io::Result<Option<Self>> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Some(Self { socket, address }))
    }

    /// Whether there is no need to try again: it is sent, or nobody is there.
    fn send(&self, text: &str) -> bool {
        let sent = self.socket.send_to_addr(text.as_bytes(), &self.address);
        if let Err(error) = &sent {
            tracing::debug!(
                event = "manager_not_notified",
                %error,
                "the service manager was not notified"
            );
        }
        !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Unsent {
    fn text(&self) -> String {
        let reloading = self.reloading.map(|since| {
            let since = since.as_micros();
            format!("RELOADING=1\nMONOTONIC_USEC={since}\n")
        });
        let ready = self.ready.then_some("READY=1\n");
        let stopping = self.stopping.then_some("STOPPING=1\n");
        let status = self.status.as_ref();
        let status = status.map(|text| format!("STATUS={text}\n"));
        [reloading.as_deref(), ready, stopping, status.as_deref()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// How often to tell that the loop turns: half of what the service manager allows, if it asked
/// for it.
#[must_use]
pub fn watchdog_period() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_for_us = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    half(Duration::from_micros(
        number("WATCHDOG_USEC").filter(|_| is_for_us)?,
    ))
}

/// None of zero: it means that there is no watchdog, and no timer ticks so fast.
fn half(limit: Duration) -> Option<Duration> {
    Some(limit / 2).filter(|period| !period.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_called_at_half_of_what_it_allows_and_never_if_that_is_nothing() {
        assert_eq!(half(Duration::from_secs(30)), Some(Duration::from_secs(15)));
        assert_eq!(half(Duration::ZERO), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_full_queue_did_not_take_is_sent_once_there_is_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("bound");
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.set_nonblocking(true).expect("set");
        while socket.send_to(b"of others", &path).is_ok() {}
        let address = SocketAddr::from_pathname(&path).expect("an address");
        let socket = NotifySocket(Some(Line { socket, address }));
        let mut notifier = Notifier::new(socket, None);
        notifier.ready();
        notifier.status("waiting for etcd");
        notifier.status("registered");

        manager.set_nonblocking(true).expect("set");
        let mut text = [0; 100];
        while manager.recv(&mut text).is_ok() {}
        notifier.tick().await;
        let length = manager.recv(&mut text).expect("told");
        assert_eq!(&text[..length], b"READY=1\nSTATUS=registered\n");
        assert!(manager.recv(&mut text).is_err(), "and nothing else");
    }
}
