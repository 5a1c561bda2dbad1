//! What is told of etcd, and the follower that finds it out.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::FutureExt as _;
use renderer::snapshot::Subtree;
use tokio::sync::{mpsc, watch};
use tokio::task::unconstrained;

use crate::etcd::follow::{Follower, Update};
use crate::etcd::record::Record;
use crate::world::World;

/// Room for a few messages of the watch. When it is full etcd keeps what follows.
const UPDATES_DEPTH: usize = 16;

/// A follower beside the loop that takes its updates. Dropping this ends it.
pub(super) struct Following {
    /// None once it has ended.
    follower: Option<Pin<Box<dyn Future<Output = ()>>>>,
    trees: watch::Sender<Vec<Subtree>>,
    updates: mpsc::Receiver<Update>,
    record: Rc<Record>,
}

impl Following {
    pub(super) fn start<W: World>(dial: W::Dial, trees: Vec<Subtree>, seed: u64) -> Self {
        let (trees, wanted) = watch::channel(trees);
        let (sender, updates) = mpsc::channel(UPDATES_DEPTH);
        let follower = Follower::<W>::new(dial, wanted, sender, seed);
        Self {
            record: follower.record(),
            follower: Some(Box::pin(follower.run())),
            trees,
            updates,
        }
    }

    /// What has been with etcd so far.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// From now on these trees. What may not be read is tried again.
    pub(super) fn follow(&self, trees: Vec<Subtree>) {
        self.trees.send_replace(trees);
    }

    /// Waits for the next update; none once it has ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Update> {
        let Self {
            follower, updates, ..
        } = self;
        poll_fn(|cx| {
            if let Poll::Ready(update) = updates.poll_recv(cx) {
                return Poll::Ready(update);
            }
            if let Some(running) = follower
                && running.as_mut().poll(cx).is_ready()
            {
                *follower = None;
            }
            // It may just have told something.
            updates.poll_recv(cx)
        })
        .await
    }

    /// The next that is there already. Not held back by the runtime, which would have others go on
    /// in the midst of what belongs together.
    pub(super) fn next_ready(&mut self) -> Option<Option<Update>> {
        unconstrained(self.next()).now_or_never()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_is_told_already_is_taken_at_once_however_much() {
        const TOLD: usize = 500;
        let (trees, _wanted) = watch::channel(Vec::new());
        let (sender, updates) = mpsc::channel(UPDATES_DEPTH);
        let follower = async move {
            for _ in 0..TOLD {
                let told = sender.send(Update::Changed(Vec::new())).await;
                told.expect("somebody listens");
            }
            std::future::pending().await
        };
        let mut following = Following {
            follower: Some(Box::pin(follower)),
            trees,
            updates,
            record: Rc::default(),
        };
        let mut taken = 0;
        while following.next_ready().is_some() {
            taken += 1;
        }
        assert_eq!(taken, TOLD);
    }
}
