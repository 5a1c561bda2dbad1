//! The signals that stop the program, reload it or are passed on.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

use std::fs;
use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

use crate::os::process::FORWARDED;
use crate::world::Signals;

/// Asks for the settings to be read again.
pub const RELOAD: u8 = HANGUP as u8;

/// Asks for the program that is installed by now to take over.
pub const UPGRADE: u8 = UPGRADING as u8;

const UPGRADING: i32 = SignalKind::user_defined2().as_raw_value();
const HANGUP: i32 = SignalKind::hangup().as_raw_value();
const INTERRUPT: i32 = SignalKind::interrupt().as_raw_value();
const TERMINATE: i32 = SignalKind::terminate().as_raw_value();

/// Signals that are caught from the moment this exists.
pub struct Caught(Vec<(u8, unix::Signal)>);

impl Caught {
    /// SIGTERM and SIGINT; SIGHUP too, the end of our terminal, unless we were started to ignore it,
    /// as by nohup.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn to_stop() -> io::Result<Self> {
        let hangup = (!is_hangup_ignored()).then_some(HANGUP);
        Self::catch([TERMINATE, INTERRUPT].into_iter().chain(hangup))
    }

    /// SIGUSR2, SIGTERM and SIGINT, and SIGHUP, which stops it as above, or where it `can_reload` asks for
    /// that, whatever we were started to ignore.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn of_an_agent(can_reload: bool) -> io::Result<Self> {
        let hangup = (can_reload || !is_hangup_ignored()).then_some(HANGUP);
        let ours = [TERMINATE, INTERRUPT, UPGRADING];
        Self::catch(ours.into_iter().chain(hangup))
    }

    /// SIGTERM, SIGINT and SIGHUP. `for_a_child`: also SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH,
    /// instead of dying of them.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn of_the_proxy_side(for_a_child: bool) -> io::Result<Self> {
        let ours = [TERMINATE, INTERRUPT, HANGUP];
        let is_caught = |number: &i32| for_a_child || ours.contains(number);
        Self::catch(FORWARDED.map(Signal::as_raw).into_iter().filter(is_caught))
    }

    fn catch(numbers: impl Iterator<Item = i32>) -> io::Result<Self> {
        let caught = numbers.map(|number| {
            let byte = u8::try_from(number).map_err(io::Error::other)?;
            Ok((byte, signal(SignalKind::from_raw(number))?))
        });
        Ok(Self(caught.collect::<io::Result<_>>()?))
    }
}

impl Signals for Caught {
    async fn next(&mut self) -> u8 {
        std::future::poll_fn(|cx| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal n has bit n-1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

/// What the proxy side makes of signals.
pub struct ProxySignals<S> {
    signals: S,
    /// We were asked to stop, and how often.
    stops: Stops,
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

impl<S: Signals> ProxySignals<S> {
    pub fn new(signals: S) -> Self {
        Self {
            signals,
            stops: Stops::None,
        }
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn recv(&mut self) -> ProxySignal {
        let number = self.signals.next().await;
        match i32::from(number) {
            TERMINATE | INTERRUPT => self.stops.next(number),
            HANGUP => ProxySignal::Reload,
            _ => ProxySignal::Other(number),
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
