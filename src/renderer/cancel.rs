//! Telling a sync to stop, from another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::thread::{self, Thread};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::mutex::lock;

/// Ends what a sync waits for, in two stages. Once cancelled it stays so.
#[derive(Debug)]
pub struct Cancel {
    cancelled: EventFd,
    killed: EventFd,
    /// They wait for something else, and want to hear of it.
    waiting: Mutex<Vec<Thread>>,
}

impl Cancel {
    /// Not cancelled yet. Fails when no file descriptor is left: it takes two.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            cancelled: EventFd::new()?,
            killed: EventFd::new()?,
            waiting: Mutex::default(),
        })
    }

    /// A check that runs is killed, a reload that runs may end; no other command is started.
    pub fn cancel(&self) {
        self.cancelled.happen();
        lock(&self.waiting).iter().for_each(Thread::unpark);
    }

    /// A reload that runs is killed as well, and stays owed.
    pub fn kill(&self) {
        self.cancel();
        self.killed.happen();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.has_happened()
    }

    /// Kills checks.
    pub(crate) fn cancelled(&self) -> &EventFd {
        &self.cancelled
    }

    /// Kills reloads.
    pub(crate) fn killed(&self) -> &EventFd {
        &self.killed
    }

    /// Unparks this thread once cancelled. Who asks looks afterwards whether it has been already.
    pub(crate) fn wake_us(&self) -> Woken<'_> {
        lock(&self.waiting).push(thread::current());
        Woken(self)
    }
}

/// Until dropped.
pub(crate) struct Woken<'c>(&'c Cancel);

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        let we = thread::current().id();
        lock(&self.0.waiting).retain(|thread| thread.id() != we);
    }
}

/// Something that happens once. Readable from then on.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    fn happen(&self) {
        // Fails only when the counter is full, and then it has happened for long.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn has_happened(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1))
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_cancelled() {
        let cancel = Cancel::new().unwrap();
        assert!(!cancel.is_cancelled());
        cancel.cancel();
        cancel.cancel();
        assert!(cancel.is_cancelled());
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn is_not_killed_by_being_cancelled_but_cancelled_by_being_killed() {
        let cancel = Cancel::new().unwrap();
        cancel.cancel();
        assert!(!cancel.killed().has_happened());
        let cancel = Cancel::new().unwrap();
        cancel.kill();
        assert!(cancel.is_cancelled() && cancel.killed().has_happened());
    }
}
