//! What systemd is told. Nothing happens where it does not listen (`NOTIFY_SOCKET` unset).

use std::time::Duration;

use sd_notify::NotifyState;

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
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be notified");
    }
}
