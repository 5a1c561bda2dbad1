//! Trees that lie in each other, may and may not be read, and change.

use super::super::api::Change;
use super::*;

fn at(revision: Revision) -> History {
    History {
        cluster: 7,
        term: 3,
        revision,
    }
}

fn tree(key: &str) -> Subtree {
    renderer::snapshot::ranges("", &[key.to_owned()]).remove(0)
}

fn wanting(keys: &[&str]) -> Progress {
    let mut progress = Progress::default();
    progress.want(keys.iter().map(|key| tree(key)));
    progress
}

/// Each tree's top, and what is below it.
fn both(keys: &[&str]) -> Vec<KeyRange> {
    keys.iter().flat_map(|key| ranges(&tree(key))).collect()
}

/// Reads what is to be read; what is at and below `denied` is not allowed.
fn read(progress: &mut Progress, denied: &[&str], revision: Revision) -> Vec<FollowedRange> {
    let denied = both(denied);
    let unread = progress.unread();
    let (denied, allowed): (Vec<_>, Vec<_>) =
        unread.into_iter().partition(|range| denied.contains(range));
    progress.read(&allowed, &denied, at(revision))
}

fn shown(trees: &[Subtree]) -> Vec<String> {
    trees.iter().map(Subtree::prefix).collect()
}

fn told(created: bool, last_change: Option<Revision>, revision: Revision) -> WatchAnswer {
    let changes = last_change.map(|revision| Change {
        key: "/a".into(),
        value: None,
        lease: 0,
        revision,
    });
    WatchAnswer {
        watch: 0,
        created,
        changes: changes.into_iter().collect(),
        revision,
    }
}

fn next(progress: &Progress) -> Vec<Revision> {
    progress.followed().map(|followed| followed.next).collect()
}

#[test]
fn the_key_at_the_top_and_the_keys_below_it_are_read_apart() {
    assert_eq!(
        both(&["/services"]),
        [
            KeyRange::exactly("/services"),
            KeyRange::below("/services/")
        ]
    );
    assert_eq!(both(&["/"]), [KeyRange::below("/")]);
}

#[test]
fn a_tree_that_lies_in_another_is_not_read_by_itself() {
    let mut progress = wanting(&["/a/b", "/a", "/a-b"]);
    let mut expected = both(&["/a", "/a-b"]);
    expected.sort();
    assert_eq!(progress.unread(), expected);
    read(&mut progress, &[], 100);
    assert_eq!(progress.unread(), []);
    assert_eq!(shown(&progress.known()), ["/a/", "/a-b/", "/a/b/"]);
    assert!(progress.denied().is_empty() && !progress.has_denied());
}

#[test]
fn where_a_tree_may_not_be_read_those_that_lie_in_it_are() {
    let mut progress = wanting(&["/", "/a", "/a/b", "/c"]);
    read(&mut progress, &["/"], 100);
    assert_eq!(progress.unread(), {
        let mut inner = both(&["/a", "/c"]);
        inner.sort();
        inner
    });
    assert!(progress.known().is_empty());
    read(&mut progress, &["/a"], 101);
    assert_eq!(progress.unread(), both(&["/a/b"]));
    assert_eq!(shown(&progress.known()), ["/c/"]);
    read(&mut progress, &["/a/b"], 102);
    assert_eq!(progress.unread(), []);
    assert_eq!(shown(&progress.denied()), ["/", "/a/", "/a/b/"]);
}

#[test]
fn what_may_not_be_read_is_tried_again_when_that_is_asked_for() {
    let mut progress = wanting(&["/a", "/a/b"]);
    read(&mut progress, &["/a"], 100);
    read(&mut progress, &["/a"], 101);
    assert_eq!(shown(&progress.known()), ["/a/b/"]);
    progress.retry_denied();
    assert_eq!(progress.unread(), both(&["/a"]));
    // Denied once more.
    read(&mut progress, &["/a"], 102);
    assert_eq!(progress.unread(), []);
    assert_eq!(shown(&progress.known()), ["/a/b/"]);
    progress.retry_denied();
    read(&mut progress, &[], 103);
    assert_eq!(shown(&progress.known()), ["/a/", "/a/b/"]);
    assert_eq!(next(&progress), [104, 104], "the inner one is let go of");
}

#[test]
fn a_tree_is_known_where_its_top_or_what_is_below_may_be_read() {
    for denied in both(&["/a"]) {
        let mut progress = wanting(&["/a", "/a/b"]);
        let allowed: Vec<_> = both(&["/a"])
            .into_iter()
            .filter(|range| *range != denied)
            .collect();
        progress.read(&allowed, std::slice::from_ref(&denied), at(100));
        assert!(progress.has_denied());
        assert_eq!(shown(&progress.known())[0], "/a/");
        // What lies in it is below.
        let is_below = denied.end.is_some();
        let unread = if is_below {
            both(&["/a/b"])
        } else {
            Vec::new()
        };
        assert_eq!(progress.unread(), unread);
    }
}

#[test]
fn what_is_wanted_besides_is_read_and_the_rest_goes_on() {
    let mut progress = wanting(&["/a", "/b"]);
    read(&mut progress, &[], 100);
    progress.want(["/b", "/c"].map(tree));
    assert_eq!(progress.unread(), both(&["/c"]));
    assert_eq!(shown(&progress.known()), ["/b/"]);
    read(&mut progress, &[], 105);
    assert_eq!(next(&progress), [101, 101, 106, 106]);
}

#[test]
fn a_tree_goes_on_until_the_one_is_read_that_it_comes_to_lie_in() {
    let mut progress = wanting(&["/a/b"]);
    let before = read(&mut progress, &[], 100);
    progress.want(["/a", "/a/b"].map(tree));
    assert_eq!(progress.unread(), both(&["/a"]));
    assert!(progress.take_in(&before[1], &told(false, Some(102), 102)));
    assert_eq!(shown(&progress.known()), ["/a/b/"]);
    read(&mut progress, &[], 105);
    assert!(!progress.take_in(&before[1], &told(false, Some(103), 106)));
    assert_eq!(next(&progress), [106, 106]);
}

#[test]
fn a_range_that_is_read_afresh_takes_nothing_from_the_watch_before() {
    let mut progress = wanting(&["/a"]);
    let before = read(&mut progress, &[], 100);
    progress.forget();
    assert_eq!((progress.seen(), progress.unread()), (None, both(&["/a"])));
    let after = read(&mut progress, &[], 200);
    assert!(!progress.take_in(&before[0], &told(false, Some(150), 150)));
    assert!(progress.take_in(&after[0], &told(false, Some(201), 201)));
    assert_eq!(next(&progress), [202, 201]);
}

#[test]
fn a_range_that_was_followed_and_is_refused_is_read_afresh() {
    let mut progress = wanting(&["/a", "/b"]);
    let followed = read(&mut progress, &[], 100);
    let below = KeyRange::below("/a/");
    let doubted = followed.iter().find(|followed| followed.range == below);
    progress.doubt(doubted.expect("it is followed"));
    assert_eq!(progress.unread(), [below]);
    assert_eq!(progress.followed().count(), 3);
}

#[test]
fn a_wiped_or_restored_etcd_is_another_history() {
    let seen = at(100);
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
    let mut progress = wanting(&["/a"]);
    let followed = read(&mut progress, &[], 100);
    progress.take_in(&followed[0], &told(false, Some(200), 200));
    assert!(!progress.continues_in(at(150)), "restored from a backup");
    assert!(progress.continues_in(at(200)));
}

#[test]
fn a_watch_goes_on_behind_what_it_told_and_not_behind_its_creation() {
    let mut progress = wanting(&["/a"]);
    let followed = read(&mut progress, &[], 100);
    progress.take_in(&followed[0], &told(true, None, 105));
    assert_eq!(next(&progress), [101, 101]);
    progress.take_in(&followed[1], &told(false, Some(103), 105));
    assert_eq!(next(&progress), [101, 104]);
    progress.take_in(&followed[0], &told(false, None, 105));
    assert_eq!(next(&progress), [106, 104]);
    progress.take_in(&followed[0], &told(false, Some(104), 105));
    assert_eq!(next(&progress), [106, 104]);
}

#[test]
fn everything_was_seen_up_to_where_the_slowest_watch_is() {
    let mut progress = wanting(&["/a"]);
    assert_eq!(progress.seen(), None);
    let followed = read(&mut progress, &[], 100);
    assert_eq!(progress.seen(), Some(100));
    progress.take_in(&followed[0], &told(false, Some(110), 110));
    assert_eq!(progress.seen(), Some(100));
    progress.take_in(&followed[1], &told(false, None, 105));
    assert_eq!(progress.seen(), Some(105));
}

#[test]
fn a_history_that_cannot_go_on_leaves_what_was_seen() {
    let at = |term, revision| History {
        cluster: 7,
        term,
        revision,
    };
    let mut progress = wanting(&["/a"]);
    read(&mut progress, &[], 100);
    assert!(!progress.continues_in(at(2, 200)));
    assert!(progress.continues_in(at(4, 150)));
    assert!(!progress.continues_in(at(4, 149)));
}
