//! The signals that stop the program, as a value to wait on.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, caught from the moment this exists.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one and returns its number. Cancel-safe.
    pub async fn recv(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.interrupt.recv() => 2,
        }
    }
}

/// SIGTERM, SIGINT and SIGHUP, caught from the moment this exists.
pub struct ProxySignals {
    stop: StopSignals,
    hangup: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySignal {
    /// Its number.
    Stop(u8),
    /// Read `conf.d` afresh.
    Reload,
}

impl ProxySignals {
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            stop: StopSignals::catch()?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn recv(&mut self) -> ProxySignal {
        tokio::select! {
            number = self.stop.recv() => ProxySignal::Stop(number),
            _ = self.hangup.recv() => ProxySignal::Reload,
        }
    }
}
