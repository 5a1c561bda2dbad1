//! The streams of watches over one connection: one for what went on, and one more for each reading
//! since.

use std::pin::pin;
use std::task::Poll;

use crate::etcd::api::{Watch, WatchAnswer};
use crate::etcd::error::EtcdError;
use crate::etcd::progress::{FollowedRange, Progress};
use crate::world::World;

pub(super) struct Stream<W: World> {
    pub watch: W::Watch,
    /// In the order of its watches.
    pub followed: Vec<FollowedRange>,
}

/// What came of one of the streams.
pub(super) enum Told {
    /// That a range that is followed changed, or how far its watch is.
    News(FollowedRange, WatchAnswer),
    /// Nothing of ours.
    Nothing,
    /// The stream has ended; it was for these.
    Ended(Vec<FollowedRange>, EtcdError),
}

pub(super) struct Streams<W: World> {
    streams: Vec<Stream<W>>,
    /// Which comes first, so that one with much to tell does not silence the others.
    turn: usize,
}

impl<W: World> Streams<W> {
    pub(super) fn new(first: Option<Stream<W>>) -> Self {
        Self {
            streams: first.into_iter().collect(),
            turn: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(super) fn add(&mut self, stream: Stream<W>) {
        self.streams.push(stream);
    }

    /// Leaves streams of which nothing is followed any more.
    pub(super) fn keep_followed(&mut self, progress: &Progress) {
        let is_followed = |followed: &FollowedRange| progress.is_followed(followed);
        self.streams
            .retain(|stream| stream.followed.iter().any(is_followed));
    }

    /// Waits for what one of them tells; for ever if there are none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Told {
        let (number, told) = std::future::poll_fn(|cx| {
            let count = self.streams.len();
            for step in 0..count {
                let number = (self.turn + step) % count;
                // A watch that is left while it waits has lost nothing.
                let next = pin!(self.streams[number].watch.next());
                if let Poll::Ready(told) = next.poll(cx) {
                    return Poll::Ready((number, told));
                }
            }
            Poll::Pending
        })
        .await;
        self.turn = number + 1;
        match told {
            Ok(told) => match self.streams[number].followed.get(told.watch) {
                Some(followed) => Told::News(followed.clone(), told),
                None => Told::Nothing,
            },
            Err(error) => Told::Ended(self.streams.remove(number).followed, error),
        }
    }
}
