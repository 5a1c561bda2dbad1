//! Schedules that once broke a promise, each for what it has shown.

use renderer::transaction::Check;

use crate::clock::Time;
use crate::disk::Kinds;
use crate::network::Fate;
use crate::schedule::{Agent, Edit, Reading, Schedule, Service, Setting, Step, What};
use crate::{run, runtime};

/// The proxy side's number, in settings of one agent.
const PROXY: usize = 1;

/// An agent whose backend is up, and the proxy side.
fn setting() -> Setting {
    let kinds = Kinds {
        checks: [Check::Never; 3],
        reloads: [0, 1, 2],
        reload_interval: None,
        wide: false,
        child: false,
    };
    Setting {
        proxy: Some((kinds, 3)),
        ..Setting::of_one_agent(6_000)
    }
}

fn assert_kept(setting: Setting, steps: &[(Time, What)]) {
    let steps = steps.iter().map(|(after, what)| Step {
        after: *after,
        what: *what,
    });
    let schedule = Schedule {
        setting,
        steps: steps.collect(),
    };
    assert_eq!(run(&schedule, &runtime()).0, None);
}

#[test]
fn a_range_that_the_role_covers_later_is_read_then() {
    let steps = [
        (500, What::Put { key: 2, value: 7 }),
        (0, What::Users { enabled: true }),
        (0, What::Bare { allowed: false }),
        // The keys themselves are denied, what lies below them is not.
        (0, What::ReloadProxy { other_keys: true }),
        (5_000, What::Notify),
    ];
    assert_kept(setting(), &steps);
}

#[test]
fn a_deletion_that_was_compacted_before_it_was_watched_is_noticed_by_the_proxy_side() {
    let client = PROXY;
    let fate = Fate::Slow(1_000);
    let steps = [
        (500, What::Put { key: 2, value: 7 }),
        // Dialled, logged in, asked for anything; then comes the watch.
        (
            500,
            What::Call {
                client,
                after: 3,
                fate,
            },
        ),
        (0, What::Reset { client }),
        (100, What::Delete { key: 2 }),
        (0, What::Compact),
    ];
    assert_kept(setting(), &steps);
}

#[test]
fn a_deletion_that_was_compacted_before_it_was_watched_is_noticed_by_the_agent() {
    let client = 0;
    for after in 2..4 {
        let fate = Fate::Slow(1_000);
        let steps = [
            (
                500,
                What::Call {
                    client,
                    after,
                    fate,
                },
            ),
            (0, What::Reset { client }),
            (100, What::Delete { key: 0 }),
            (0, What::Compact),
        ];
        assert_kept(setting(), &steps);
    }
}

#[test]
fn news_get_through_where_a_pass_takes_longer_than_the_interval() {
    let setting = Setting {
        interval: Some(20),
        pace: 30,
        ..setting()
    };
    assert_kept(setting, &[(500, What::Put { key: 2, value: 7 })]);
}

#[test]
fn an_agent_that_starts_while_users_are_changed_again_and_again_goes_on() {
    let (tree, allowed) = (1, true);
    let mut steps = vec![(0, What::Users { enabled: true })];
    steps.extend([(2, What::Role { tree, allowed }); 20]);
    assert_kept(setting(), &steps);
    assert_kept(setting(), &steps[..5]);
}

/// One agent that serves these keys, whose backends are up, and nothing else.
fn of_services(keys: &[usize]) -> Setting {
    let services = keys.iter().map(|key| Service::new(*key, 1, 12_000));
    Setting {
        agents: vec![Agent::of_services(services.collect())],
        epilogue: true,
        ..Setting::of_one_agent(12_000)
    }
}

#[test]
fn a_displaced_key_that_was_denied_is_followed_again_once_the_role_covers_it() {
    let (key, value, ttl) = (0, 7, None);
    let tree = 0;
    let steps = [
        (6_000, What::PutLeased { key, value, ttl }),
        (10, What::Users { enabled: true }),
        (
            0,
            What::Role {
                tree,
                allowed: false,
            },
        ),
        (0, What::Reset { client: 0 }),
        // What lies in the other tree is watched.
        (
            1_000,
            What::Role {
                tree,
                allowed: true,
            },
        ),
    ];
    assert_kept(of_services(&[0, 2]), &steps);
}

#[test]
fn a_service_that_is_refused_goes_on_after_one_that_was_taken_is_removed() {
    let (agent, key) = (0, 0);
    let steps = [
        (0, What::Users { enabled: true }),
        (
            0,
            What::Role {
                tree: 1,
                allowed: false,
            },
        ),
        (
            6_000,
            What::Edit {
                agent,
                key,
                edit: Edit::Remove,
            },
        ),
        (
            0,
            What::ReloadAgent {
                agent,
                reading: Reading::Works,
            },
        ),
        (6_000, What::Notify),
    ];
    assert_kept(of_services(&[0, 2]), &steps);
}

/// The first member goes back to a backup while what it answered is being read, and writes as much as it
/// had written before.
#[test]
fn that_etcd_is_another_is_not_forgotten_where_reading_it_afresh_fails() {
    let services = (0..4).map(|key| Service::new(key, 1, if key == 0 { 6_000 } else { 3_000 }));
    let agent = Agent {
        // Only the backend of key 2 is up.
        seed: 12_878_257_822_216_880_443,
        ..Agent::of_services(services.collect())
    };
    let setting = Setting {
        members: 3,
        slack: 160,
        agents: vec![agent],
        others_stay: true,
        named: false,
        guarded: false,
        ..Setting::of_one_agent(6_000)
    };
    let client = 0;
    let restore = |same_cluster| What::Restore { same_cluster };
    let put = What::PutLeased {
        key: 2,
        value: 13,
        ttl: Some(5_524),
    };
    let steps = [
        (895, restore(false)),
        (1, put),
        (
            1_376,
            What::Call {
                client,
                after: 5,
                fate: Fate::AnswerLost,
            },
        ),
        (1, restore(true)),
        (5, What::PutInAllTrees { value: 1 }),
        (
            4,
            What::HoldWatch {
                client,
                time: 2_113,
            },
        ),
    ];
    assert_kept(setting, &steps);
}
