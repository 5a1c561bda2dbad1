//! How far a copy of etcd has come, and whether it can go on from there. Pure.

use super::api::{History, WatchAnswer};
use crate::registration::Revision;

impl History {
    /// Whether `later` can be the same history: revisions and terms only grow.
    fn continues_in(&self, later: &Self) -> bool {
        self.cluster == later.cluster && self.term <= later.term && self.revision <= later.revision
    }
}

/// A read, and the watches that follow on it.
#[derive(Clone, Debug)]
pub struct Progress {
    /// As far as it was seen.
    history: History,
    /// The revision that each watch has yet to tell of.
    next: Vec<Revision>,
}

impl Progress {
    /// After a read at the revision of `history`, with so many watches to follow on it.
    #[must_use]
    pub fn since(history: History, watches: usize) -> Self {
        Self {
            history,
            next: vec![history.revision + 1; watches],
        }
    }

    /// Whether the watches can go on at a server that is at `now`.
    pub fn continues_in(&mut self, now: History) -> bool {
        let continues = self.history.continues_in(&now);
        if continues {
            self.history = now;
        }
        continues
    }

    /// A watch told something.
    pub fn take_in(&mut self, told: &WatchAnswer) {
        self.history.revision = self.history.revision.max(told.revision);
        let last = match told.changes.last() {
            Some(change) => change.revision,
            // An answer to a new watch may be ahead of what that watch will tell.
            None if told.created => return,
            None => told.revision,
        };
        if let Some(next) = self.next.get_mut(told.watch) {
            *next = (*next).max(last + 1);
        }
    }

    /// All watches have told of everything until then.
    #[must_use]
    pub fn seen(&self) -> Revision {
        let next = self.next.iter().copied().min();
        next.map_or(self.history.revision, |next| next - 1)
    }

    /// Where each watch goes on.
    #[must_use]
    pub fn next(&self) -> &[Revision] {
        &self.next
    }
}

#[cfg(test)]
mod tests {
    use super::super::api::Change;
    use super::*;

    fn told(
        watch: usize,
        created: bool,
        last_change: Option<Revision>,
        revision: Revision,
    ) -> WatchAnswer {
        let changes = last_change.map(|revision| Change {
            key: "/a".into(),
            value: None,
            lease: 0,
            revision,
        });
        WatchAnswer {
            watch,
            created,
            changes: changes.into_iter().collect(),
            revision,
        }
    }

    #[test]
    fn a_wiped_or_restored_etcd_is_another_history() {
        let seen = History {
            cluster: 7,
            term: 3,
            revision: 100,
        };
        let later = |cluster, term, revision| History {
            cluster,
            term,
            revision,
        };
        assert!(seen.continues_in(&later(7, 3, 100)));
        assert!(seen.continues_in(&later(7, 9, 5_000)));
        assert!(!seen.continues_in(&later(7, 3, 99)));
        assert!(!seen.continues_in(&later(7, 2, 5_000)));
        assert!(!seen.continues_in(&later(8, 3, 100)));
    }

    #[test]
    fn what_was_told_since_the_read_is_part_of_the_history() {
        let at = |revision| History {
            cluster: 7,
            term: 3,
            revision,
        };
        let mut progress = Progress::since(at(100), 1);
        progress.take_in(&told(0, false, Some(200), 200));
        assert!(!progress.continues_in(at(150)), "restored from a backup");
        assert!(progress.continues_in(at(200)));
    }

    #[test]
    fn a_watch_goes_on_behind_what_it_told_and_not_behind_its_creation() {
        let read = History {
            cluster: 7,
            term: 3,
            revision: 100,
        };
        let mut progress = Progress::since(read, 2);
        progress.take_in(&told(0, true, None, 105));
        assert_eq!(progress.next(), [101, 101]);
        progress.take_in(&told(1, false, Some(103), 105));
        assert_eq!(progress.next(), [101, 104]);
        progress.take_in(&told(0, false, None, 105));
        assert_eq!(progress.next(), [106, 104]);
        progress.take_in(&told(0, false, Some(104), 105));
        assert_eq!(progress.next(), [106, 104]);
    }

    #[test]
    fn everything_was_seen_up_to_where_the_slowest_watch_is() {
        let read = History {
            cluster: 7,
            term: 3,
            revision: 100,
        };
        let mut progress = Progress::since(read, 2);
        assert_eq!(progress.seen(), 100);
        progress.take_in(&told(0, false, Some(110), 110));
        assert_eq!(progress.seen(), 100);
        progress.take_in(&told(1, false, None, 105));
        assert_eq!(progress.seen(), 105);
        assert_eq!(Progress::since(read, 0).seen(), 100);
    }

    #[test]
    fn a_history_that_cannot_go_on_leaves_what_was_seen() {
        let at = |term, revision| History {
            cluster: 7,
            term,
            revision,
        };
        let mut progress = Progress::since(at(3, 100), 1);
        assert!(!progress.continues_in(at(2, 200)));
        assert!(progress.continues_in(at(4, 150)));
        assert!(!progress.continues_in(at(4, 149)));
    }
}
