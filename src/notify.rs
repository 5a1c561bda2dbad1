//! What systemd is told. Nothing happens where it does not listen (`NOTIFY_SOCKET` unset).

use std::time::Duration;

use sd_notify::NotifyState;

/// Our line to systemd: not for commands that we run.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// `READY=1`
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// `STOPPING=1`
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// `STATUS=`, one line.
pub fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// `WATCHDOG=1`
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often to call [`watchdog`]: half of what systemd allows, if it asked for it.
#[must_use]
pub fn watchdog_period() -> Option<Duration> {
    half(sd_notify::watchdog_enabled()?)
}

/// None of zero: it means that there is no watchdog, and no timer ticks so fast.
fn half(limit: Duration) -> Option<Duration> {
    Some(limit / 2).filter(|period| !period.is_zero())
}

fn send(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be notified");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_called_at_half_of_what_it_allows_and_never_if_that_is_nothing() {
        assert_eq!(half(Duration::from_secs(30)), Some(Duration::from_secs(15)));
        assert_eq!(half(Duration::ZERO), None);
    }
}
