//! How far a connection is, and which one makes room for another.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::limits::Limits;

/// The first has to go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// All is said.
    Closing,
    /// The request is not complete.
    Reading,
    /// The answer is being taken.
    Writing,
    /// The answer is being made.
    Answering,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    pub(super) since: Instant,
}

/// What is told as a connection gets on.
#[derive(Clone, Debug)]
pub(super) struct Course(watch::Sender<Progress>);

impl Course {
    pub(super) fn begin() -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::now(Stage::Reading));
        (Self(sender), receiver)
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.0.send_if_modified(|progress| {
            let is_new = progress.stage != stage;
            if is_new {
                *progress = Progress::now(stage);
            }
            is_new
        });
    }
}

impl Progress {
    fn now(stage: Stage) -> Self {
        let since = Instant::now();
        Self { stage, since }
    }

    /// When it has lasted too long. What makes answers has limits of its own.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let patience: Option<Duration> = match self.stage {
            Stage::Closing => Some(limits.farewell),
            Stage::Reading => Some(limits.request),
            Stage::Writing => Some(limits.response),
            Stage::Answering => None,
        };
        patience.map(|patience| self.since + patience)
    }
}

/// Which of these makes room.
pub(super) fn first_to_go<K>(all: impl IntoIterator<Item = (K, Progress)>) -> Option<K> {
    let first = all
        .into_iter()
        .min_by_key(|(_, Progress { stage, since })| (*stage, *since));
    first.map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_asked_for_nothing_goes_first_and_of_those_the_oldest() {
        let now = Instant::now();
        let mut all = vec![
            ("answering", Stage::Answering, 9),
            ("writing", Stage::Writing, 1),
            ("writing for long", Stage::Writing, 2),
            ("reading", Stage::Reading, 0),
            ("reading for long", Stage::Reading, 3),
            ("closing", Stage::Closing, 0),
        ];
        let mut order = Vec::new();
        while !all.is_empty() {
            let each = all.iter().map(|(name, stage, ago)| {
                let since = now - Duration::from_secs(*ago);
                let stage = *stage;
                (*name, Progress { stage, since })
            });
            let first = first_to_go(each).expect("one of them");
            all.retain(|(name, ..)| *name != first);
            order.push(first);
        }
        assert_eq!(
            order,
            [
                "closing",
                "reading for long",
                "reading",
                "writing for long",
                "writing",
                "answering"
            ]
        );
    }
}
