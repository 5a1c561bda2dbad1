//! What is told of etcd, and the follower that finds it out.

use std::pin::Pin;

use renderer::snapshot::Subtree;
use tokio::sync::{mpsc, watch};

use crate::etcd::follow::{Follower, Update};
use crate::world::World;

/// Room for a few messages of the watch. When it is full etcd keeps what follows.
const UPDATES_DEPTH: usize = 16;

/// A follower beside the loop that takes its updates. Dropping this ends it.
pub(super) struct Following {
    /// None once it has ended.
    follower: Option<Pin<Box<dyn Future<Output = ()>>>>,
    trees: watch::Sender<Vec<Subtree>>,
    updates: mpsc::Receiver<Update>,
}

impl Following {
    pub(super) fn start<W: World>(dial: W::Dial, trees: Vec<Subtree>, seed: u64) -> Self {
        let (trees, wanted) = watch::channel(trees);
        let (sender, updates) = mpsc::channel(UPDATES_DEPTH);
        let follower = Follower::<W>::new(dial, wanted, sender, seed);
        Self {
            follower: Some(Box::pin(follower.run())),
            trees,
            updates,
        }
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
        loop {
            tokio::select! {
                biased;
                update = updates.recv() => return update,
                () = go_on(follower) => {}
            }
        }
    }
}

async fn go_on(follower: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) {
    match follower {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
    *follower = None;
}
