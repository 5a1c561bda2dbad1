//! Processes: each is one future, so that a kill drops it whole and a freeze does not poll it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use crate::clock::Time;

/// Whether a process has something to do.
pub struct Flag {
    raised: AtomicBool,
    /// The runtime's task, in which all processes are polled.
    root: Waker,
}

impl Flag {
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.raised.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raise();
        self.root.wake_by_ref();
    }
}

pub struct Process {
    future: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
    waker: Waker,
    /// Until then nothing of it runs.
    pub frozen_until: Time,
    /// When it was last polled, and how often at that time.
    polled: (Time, u32),
}

/// What came of polling.
#[derive(Debug, PartialEq, Eq)]
pub enum Polled {
    /// It had nothing to do, or could not.
    Not,
    Ran,
    Ended,
    /// Again and again at one time.
    Restless,
}

/// More at one time is a loop that does not come to rest.
const BUSY: u32 = 2_000;

impl Process {
    pub fn new(future: impl Future<Output = ()> + 'static, root: &Waker) -> Self {
        let flag = Arc::new(Flag {
            raised: AtomicBool::new(true),
            root: root.clone(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&flag)),
            flag,
            frozen_until: 0,
            polled: (0, 0),
        }
    }

    pub fn flag(&self) -> Arc<Flag> {
        Arc::clone(&self.flag)
    }

    pub fn poll(&mut self, now: Time) -> Polled {
        if self.frozen_until > now || !self.flag.take() {
            return Polled::Not;
        }
        self.polled = match self.polled {
            (last, count) if last == now => (now, count + 1),
            _ => (now, 0),
        };
        if self.polled.1 > BUSY {
            return Polled::Restless;
        }
        let mut cx = Context::from_waker(&self.waker);
        match self.future.as_mut().poll(&mut cx).is_ready() {
            true => Polled::Ended,
            false => Polled::Ran,
        }
    }
}
