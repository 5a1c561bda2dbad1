//! What is told of etcd, and the follower that finds it out.

use std::pin::Pin;

use renderer::snapshot::{Snapshot, Subtree};
use tokio::sync::mpsc;

use crate::etcd::follow::{Follower, Update};
use crate::world::World;

/// Room for a few messages of the watch. When it is full etcd keeps what follows.
const UPDATES_DEPTH: usize = 16;

/// A follower beside the loop that takes its updates. Dropping this ends it.
pub(super) struct Following {
    /// None once it has ended.
    follower: Option<Pin<Box<dyn Future<Output = ()>>>>,
    updates: mpsc::Receiver<Update>,
}

impl Following {
    /// Follows `trees`. Without any there is nothing to follow, and just that is told.
    pub(super) fn start<W: World>(
        dial: W::Dial,
        trees: Vec<Subtree>,
        ever_connected: bool,
        seed: u64,
    ) -> Self {
        let (sender, updates) = mpsc::channel(UPDATES_DEPTH);
        let follower: Pin<Box<dyn Future<Output = ()>>> = if trees.is_empty() {
            Box::pin(async move {
                let _told = sender.send(Update::Read(Snapshot::default())).await;
                sender.closed().await;
            })
        } else {
            Box::pin(Follower::<W>::new(dial, trees, ever_connected, sender, seed).run())
        };
        Self {
            follower: Some(follower),
            updates,
        }
    }

    /// Waits for the next update; none once it has ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Update> {
        let Self { follower, updates } = self;
        loop {
            tokio::select! {
                biased;
                update = updates.recv() => return update,
                () = go_on(follower) => {}
            }
        }
    }

    /// Lets it go on, for as long as there is room for its updates. Ends when it ends.
    pub(super) async fn go_on(&mut self) {
        go_on(&mut self.follower).await;
    }
}

async fn go_on(follower: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) {
    match follower {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
    *follower = None;
}
