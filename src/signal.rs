//! The signals that stop the program, as a value to wait on.

use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, and SIGHUP if asked for, caught from the moment this exists.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl StopSignals {
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: None,
        })
    }

    /// SIGHUP too, the end of our terminal; unless we were started to ignore it, as by nohup.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch_with_hangup() -> io::Result<Self> {
        let hangup = match Self::is_hangup_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self {
            hangup,
            ..Self::catch()?
        })
    }

    async fn next(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    fn is_hangup_ignored() -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        // Signal n has bit n-1.
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & 1 != 0)
    }

    /// Waits for the next one and returns its number. Cancel-safe.
    pub async fn recv(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.interrupt.recv() => 2,
            () = Self::next(&mut self.hangup) => 1,
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
