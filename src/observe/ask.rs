//! What a loop is asked from outside, and how it answers.

use tokio::sync::{mpsc, oneshot};

use super::report::Report;

/// What may wait to be answered. More is not asked at one time.
const DEPTH: usize = 16;

#[derive(Debug)]
pub enum Ask {
    /// What is known now.
    Report(oneshot::Sender<Report>),
    /// Takes services out, or back in.
    Drain(DrainAsk),
}

/// Answered once it is carried out, however long that takes.
#[derive(Debug)]
pub struct DrainAsk {
    /// All services of this name, or the one with this key.
    pub service: String,
    /// Whether they are to be out.
    pub drained: bool,
    /// Of who asks.
    pub uid: u32,
    pub answer: oneshot::Sender<DrainAnswer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainAnswer {
    /// Etcd has confirmed that the keys of these are gone. Of those that are back in: that they are probed
    /// again for what becomes of them.
    Done(Vec<String>),
    /// There is no such service.
    Unknown,
    /// This process has no services, or stops.
    Refused(&'static str),
}

/// Where a loop is asked.
pub type Asks = mpsc::Receiver<Ask>;

/// For who asks, and for the loop.
#[must_use]
pub fn channel() -> (mpsc::Sender<Ask>, Asks) {
    mpsc::channel(DEPTH)
}

/// The next that is asked; for ever if nobody can ask. Cancel-safe.
pub async fn next(asks: &mut Asks) -> Ask {
    match asks.recv().await {
        Some(ask) => ask,
        None => std::future::pending().await,
    }
}
