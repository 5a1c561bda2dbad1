//! A timer of the kernel, for the waits in which an agent spends its life.
//!
//! A timer of tokio's wakes the process once for each level of its wheel, two or three times in a
//! wait of seconds; and waking up is a good part of what a probe costs.

use std::io;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

use crate::world::Timer;

/// The longest wait that the kernel is asked for; a longer one is made of several.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Serves one wait at a time.
#[derive(Debug)]
pub struct Alarm {
    /// Read like a pipe, and so it passes for one: tokio has no other safe way to wait for a
    /// descriptor.
    timer: Receiver,
}

impl Alarm {
    /// # Errors
    /// When no descriptor is to be had.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self {
            timer: Receiver::from_owned_fd_unchecked(timer)?,
        })
    }

    async fn wait(&self, time: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(time).map_err(|_| io::ErrorKind::InvalidInput)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        loop {
            self.timer.readable().await?;
            match self.timer.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                rung => return rung.map(drop),
            }
        }
    }
}

impl Timer for Alarm {
    async fn until(&self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if self.wait(left.min(LONGEST)).await.is_err() {
                return tokio::time::sleep_until(deadline.into()).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test(flavor = "current_thread")]
    async fn rings_at_its_deadline_and_not_before() {
        let alarm = Alarm::new().unwrap();
        for _ in 0..3 {
            let deadline = Instant::now() + SHORT;
            alarm.until(Some(deadline)).await;
            assert!(Instant::now() >= deadline);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_deadline_that_is_past_is_not_waited_for() {
        let alarm = Alarm::new().unwrap();
        alarm.until(Some(Instant::now())).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_wait_that_was_left_does_not_end_the_next() {
        let alarm = Alarm::new().unwrap();
        for left_after in [Duration::ZERO, SHORT, 2 * SHORT] {
            let first = alarm.until(Some(Instant::now() + SHORT));
            let _left = tokio::time::timeout(left_after, first).await;
            let deadline = Instant::now() + 4 * SHORT;
            alarm.until(Some(deadline)).await;
            assert!(Instant::now() >= deadline);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn without_a_deadline_it_never_rings() {
        let alarm = Alarm::new().unwrap();
        assert!(
            tokio::time::timeout(SHORT, alarm.until(None))
                .await
                .is_err()
        );
    }
}
