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
        let hangup = match is_hangup_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self {
            hangup,
            ..Self::catch()?
        })
    }

    /// Waits for the next one and returns its number. Cancel-safe.
    pub async fn recv(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.interrupt.recv() => 2,
            () = next(&mut self.hangup) => 1,
        }
    }
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

/// What the proxy side listens to, caught from the moment this exists.
pub struct ProxySignals {
    stop: StopSignals,
    /// We were asked to stop, and how often.
    stops: Stops,
    hangup: Signal,
    /// Of no meaning to us, but maybe to a child.
    others: Option<Others>,
}

struct Others {
    quit: Signal,
    user1: Signal,
    user2: Signal,
    window: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stops {
    None,
    Once,
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySignal {
    Stop,
    /// Asked for again: leave at once. The signal's number.
    StopAtOnce(u8),
    /// Read `conf.d` afresh.
    Reload,
    /// To be passed on to a child: its number.
    Other(u8),
}

impl ProxySignals {
    /// `for_a_child`: also SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH, instead of dying of them.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch(for_a_child: bool) -> io::Result<Self> {
        let others = || {
            Ok::<_, io::Error>(Others {
                quit: signal(SignalKind::quit())?,
                user1: signal(SignalKind::user_defined1())?,
                user2: signal(SignalKind::user_defined2())?,
                window: signal(SignalKind::window_change())?,
            })
        };
        Ok(Self {
            stop: StopSignals::catch()?,
            stops: Stops::None,
            hangup: signal(SignalKind::hangup())?,
            others: for_a_child.then(others).transpose()?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn recv(&mut self) -> ProxySignal {
        let others = self.others.as_mut();
        tokio::select! {
            number = self.stop.recv() => self.stops.next(number),
            _ = self.hangup.recv() => ProxySignal::Reload,
            number = Others::recv(others) => ProxySignal::Other(number),
        }
    }

    /// Whether nothing is to be waited for any more.
    #[must_use]
    pub fn are_impatient(&self) -> bool {
        self.stops == Stops::Again
    }
}

impl Stops {
    fn next(&mut self, number: u8) -> ProxySignal {
        match self {
            Self::None => {
                *self = Self::Once;
                ProxySignal::Stop
            }
            Self::Once | Self::Again => {
                *self = Self::Again;
                ProxySignal::StopAtOnce(number)
            }
        }
    }
}

impl Others {
    async fn recv(others: Option<&mut Self>) -> u8 {
        let Some(others) = others else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = others.quit.recv() => 3,
            _ = others.user1.recv() => 10,
            _ = others.user2.recv() => 12,
            _ = others.window.recv() => 28,
        }
    }
}
