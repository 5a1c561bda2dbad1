//! The registration as a table and as stories; under random events in the simulation.

use super::*;

const LEASE: LeaseId = 7;
const FOREIGN: LeaseId = 99;
const GRACE: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(2);

fn registration() -> Registration {
    Registration::new(DRAIN, GRACE, 1)
}

fn stopping(drain: Duration, stop_timeout: Duration, now: Instant) -> Registration {
    let mut registration = Registration::new(drain, stop_timeout, 1);
    after(&mut registration, now, &[UP, ANNOUNCED, Event::Shutdown]);
    registration
}

/// Feeds the events in at one instant and returns the last one's actions.
fn after(registration: &mut Registration, now: Instant, events: &[Event]) -> Vec<Action> {
    let mut actions = Vec::new();
    for event in events {
        actions = registration.on(*event, now);
    }
    actions
}

const UP: Event = Event::Verdict(Verdict::Up);
const DOWN: Event = Event::Verdict(Verdict::Down);
const ANNOUNCED: Event = Event::Announced {
    lease: LEASE,
    revision: 10,
};

fn changed(revision: Revision, holder: Holder) -> Event {
    Event::Changed { revision, holder }
}

#[test]
fn the_next_request_follows_from_what_is_wanted_and_what_is_known() {
    let present = Key::Present {
        lease: LEASE,
        revision: 10,
    };
    let held = Key::Displaced {
        revision: 10,
        held: Some(LEASE),
    };
    let displaced = Key::Displaced {
        revision: 10,
        held: None,
    };
    let by_lease = Some(Request::Withdraw(Claim::Lease(LEASE)));
    for announced_before in [false, true] {
        let announce = Some(Request::Announce {
            take_over: !announced_before,
        });
        let sweep = Some(Request::Withdraw(match announced_before {
            false => Claim::Value,
            true => Claim::AnyLease,
        }));
        // key, wanted: none, up, down, stopping
        let table = [
            (Key::Unknown, [None, announce, sweep, sweep]),
            (Key::Absent, [None, announce, None, None]),
            (present, [None, None, by_lease, by_lease]),
            (held, [None, by_lease, by_lease, by_lease]),
            (displaced, [None, None, None, None]),
        ];
        for (key, expected) in table {
            for (column, expected) in expected.into_iter().enumerate() {
                let mut registration = at(key, announced_before, column);
                assert_eq!(
                    registration.next_request(),
                    expected,
                    "{key:?}, column {column}, announced before: {announced_before}"
                );
                registration.in_flight = true;
                assert_eq!(registration.next_request(), None, "one at a time");
            }
        }
    }
}

/// In the state of one field of the table.
fn at(key: Key, announced_before: bool, column: usize) -> Registration {
    let mut registration = registration();
    registration.key = key;
    registration.announced_before = announced_before;
    registration.verdict = match column {
        0 => None,
        1 | 3 => Some(Verdict::Up),
        _ => Some(Verdict::Down),
    };
    if column == 3 {
        registration.phase = Phase::Withdrawing {
            by: Instant::now() + GRACE,
            drain: false,
        };
    }
    registration
}

#[test]
fn the_status_follows_from_what_is_wanted_and_what_is_known() {
    use Status::{Displaced, Pending, Registered, Starting, Stopping, Unhealthy};
    let present = Key::Present {
        lease: LEASE,
        revision: 10,
    };
    let displaced = Key::Displaced {
        revision: 10,
        held: None,
    };
    // key, wanted: none, up, down, stopping
    let table = [
        (Key::Unknown, [Starting, Pending, Pending, Stopping]),
        (Key::Absent, [Starting, Pending, Unhealthy, Stopping]),
        (present, [Starting, Registered, Pending, Stopping]),
        (displaced, [Starting, Displaced, Unhealthy, Stopping]),
    ];
    for (key, expected) in table {
        for (column, expected) in expected.into_iter().enumerate() {
            let status = at(key, false, column).status();
            assert_eq!(status, expected, "{key:?}, column {column}");
        }
    }
}

#[test]
fn nothing_is_asked_of_etcd_before_the_first_verdict() {
    let now = Instant::now();
    assert_eq!(registration().on(Event::Connected, now), []);
}

#[test]
fn the_first_announcement_takes_over_and_later_ones_do_not() {
    let now = Instant::now();
    let mut registration = registration();
    assert_eq!(
        registration.on(UP, now),
        [Action::Ask(Request::Announce { take_over: true })]
    );
    assert_eq!(registration.on(ANNOUNCED, now), [Action::Ready]);
    assert_eq!(
        registration.on(Event::LeaseLost { lease: LEASE }, now),
        [Action::Ask(Request::Announce { take_over: false })]
    );
}

#[test]
fn a_backend_that_never_passed_has_its_previous_incarnation_swept_away_then_we_are_ready() {
    let now = Instant::now();
    let mut registration = registration();
    assert_eq!(
        registration.on(DOWN, now),
        [Action::Ask(Request::Withdraw(Claim::Value))]
    );
    assert_eq!(registration.on(Event::Withdrawn, now), [Action::Ready]);
    assert_eq!(registration.status(), Status::Unhealthy);
}

#[test]
fn a_failed_request_is_retried_after_a_delay_or_on_connecting() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP]);
    assert_eq!(registration.on(Event::Failed, now), []);
    let retry = registration.deadline().expect("a retry");
    assert!(retry > now && retry <= now + RETRY_FIRST);
    assert_eq!(
        registration.clone().on(Event::DeadlineReached, retry),
        [Action::Ask(Request::Announce { take_over: true })]
    );
    assert_eq!(
        registration.on(Event::Connected, now),
        [Action::Ask(Request::Announce { take_over: true })]
    );
}

#[test]
fn a_request_that_etcd_turned_down_is_retried_after_a_delay_however_often_it_is_connected_to() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, Event::TurnedDown]);
    let retry = registration.deadline().expect("a retry");
    assert_eq!(registration.on(Event::Connected, now), []);
    assert_eq!(registration.deadline(), Some(retry));
    assert_eq!(
        registration.on(Event::DeadlineReached, retry),
        [Action::Ask(Request::Announce { take_over: true })]
    );
}

#[test]
fn the_latest_verdict_is_applied_when_the_answer_comes() {
    let now = Instant::now();
    let mut registration = registration();
    assert_eq!(after(&mut registration, now, &[UP, DOWN]), []);
    assert_eq!(
        registration.on(ANNOUNCED, now),
        [Action::Ask(Request::Withdraw(Claim::Lease(LEASE)))]
    );
}

#[test]
fn a_deleted_key_is_put_again() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, ANNOUNCED]);
    assert_eq!(
        registration.on(changed(11, Holder::Nobody), now),
        [Action::Ask(Request::Announce { take_over: false })]
    );
}

#[test]
fn a_key_overwritten_without_a_lease_would_never_go_and_is_put_again() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, ANNOUNCED]);
    assert_eq!(
        registration.on(changed(11, Holder::NoLease), now),
        [Action::Ask(Request::Announce { take_over: false })]
    );
}

#[test]
fn a_key_that_is_lost_again_and_again_is_put_back_later_and_later_until_calm_returns() {
    let mut now = Instant::now();
    let mut registration = registration();
    let announced = |revision| Event::Announced {
        lease: LEASE,
        revision,
    };
    after(&mut registration, now, &[UP, announced(1)]);
    let announce = [Action::Ask(Request::Announce { take_over: false })];
    assert_eq!(
        registration.on(changed(2, Holder::NoLease), now),
        announce,
        "the first time at once"
    );
    let mut waits = Vec::new();
    let mut lost_at = now;
    for loss in 1..9 {
        lost_at = now;
        registration.on(announced(2 * loss + 1), now);
        let again = registration.on(changed(2 * loss + 2, Holder::NoLease), now);
        assert_eq!(again, [], "loss {loss}");
        let retry = registration.deadline().expect("a retry");
        waits.push(retry - now);
        now = retry;
        assert_eq!(registration.on(Event::DeadlineReached, now), announce);
    }
    assert!(waits[0] <= RETRY_FIRST, "{waits:?}");
    assert!(waits[7] >= RETRY_CAP / 2, "{waits:?}");

    registration.on(announced(19), now);
    assert_eq!(
        registration.on(changed(20, Holder::Nobody), lost_at + LOSS_WINDOW),
        announce
    );
}

#[test]
fn displaced_by_a_live_lease_we_give_ours_back_stand_by_and_return_when_it_goes() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, ANNOUNCED]);
    assert_eq!(
        registration.on(changed(11, Holder::Lease(FOREIGN)), now),
        [Action::Ask(Request::Withdraw(Claim::Lease(LEASE)))]
    );
    assert_eq!(registration.on(Event::Withdrawn, now), []);
    assert_eq!(registration.status(), Status::Displaced);
    assert_eq!(after(&mut registration, now, &[DOWN, UP]), []);
    assert_eq!(
        registration.on(changed(12, Holder::Nobody), now),
        [Action::Ask(Request::Announce { take_over: false })]
    );
}

#[test]
fn news_that_is_not_newer_than_the_announcement_is_dropped() {
    let now = Instant::now();
    let mut registration = registration();
    after(
        &mut registration,
        now,
        &[UP, changed(9, Holder::Lease(FOREIGN)), ANNOUNCED],
    );
    assert_eq!(registration.status(), Status::Registered);
    for holder in [Holder::Lease(LEASE), Holder::Lease(FOREIGN), Holder::Nobody] {
        assert_eq!(registration.on(changed(10, holder), now), []);
    }
    assert_eq!(
        registration.on(Event::LeaseLost { lease: FOREIGN }, now),
        []
    );
}

#[test]
fn a_change_that_overtakes_the_answer_is_not_missed() {
    let now = Instant::now();
    let mut registration = registration();
    assert_eq!(
        after(
            &mut registration,
            now,
            &[UP, changed(11, Holder::Lease(FOREIGN)), ANNOUNCED]
        ),
        [
            Action::Ready,
            Action::Ask(Request::Withdraw(Claim::Lease(LEASE)))
        ]
    );
}

#[test]
fn a_fresh_read_counts_even_if_etcd_was_wiped_and_its_revisions_start_over() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, ANNOUNCED]);
    assert_eq!(
        registration.on(
            Event::Read {
                revision: 1,
                holder: Holder::Nobody
            },
            now
        ),
        [Action::Ask(Request::Announce { take_over: false })]
    );
}

#[test]
fn a_key_found_free_while_our_own_lease_is_being_given_back_is_put_again() {
    let now = Instant::now();
    let mut registration = registration();
    assert_eq!(
        after(
            &mut registration,
            now,
            &[UP, ANNOUNCED, changed(11, Holder::Lease(FOREIGN))]
        ),
        [Action::Ask(Request::Withdraw(Claim::Lease(LEASE)))]
    );
    let free = Event::Read {
        revision: 12,
        holder: Holder::Nobody,
    };
    assert_eq!(
        after(
            &mut registration,
            now,
            &[free, Event::Connected, Event::Withdrawn]
        ),
        [Action::Ask(Request::Announce { take_over: false })]
    );
}

#[test]
fn a_read_from_before_the_announcement_was_carried_out_does_not_outdo_it() {
    let now = Instant::now();
    let mut registration = registration();
    let taken = Event::Read {
        revision: 9,
        holder: Holder::Lease(FOREIGN),
    };
    after(&mut registration, now, &[UP, taken, ANNOUNCED]);
    assert_eq!(registration.status(), Status::Registered);
}

#[test]
fn shutdown_withdraws_drains_and_exits() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, ANNOUNCED]);
    assert_eq!(
        registration.on(Event::Shutdown, now),
        [Action::Ask(Request::Withdraw(Claim::Lease(LEASE)))]
    );
    assert_eq!(registration.on(Event::Withdrawn, now), []);
    assert_eq!(registration.deadline(), Some(now + DRAIN));
    assert_eq!(registration.status(), Status::Draining);
    assert_eq!(
        registration.on(Event::DeadlineReached, now + DRAIN),
        [Action::Exit(Stopped::Clean)]
    );
    assert_eq!(registration.status(), Status::Stopping);
    assert_eq!(registration.deadline(), None);
}

#[test]
fn a_key_that_was_being_put_when_the_stop_came_is_drained_too() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, Event::Shutdown]);
    assert_eq!(
        registration.on(ANNOUNCED, now),
        [
            Action::Ready,
            Action::Ask(Request::Withdraw(Claim::Lease(LEASE)))
        ]
    );
    assert_eq!(registration.on(Event::Withdrawn, now), []);
    assert_eq!(registration.status(), Status::Draining);
    assert_eq!(registration.deadline(), Some(now + DRAIN));
}

#[test]
fn shutdown_of_an_unhealthy_one_exits_at_once() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[DOWN, Event::Withdrawn]);
    assert_eq!(
        registration.on(Event::Shutdown, now),
        [Action::Exit(Stopped::Clean)]
    );
}

#[test]
fn shutdown_gives_up_when_the_grace_ends_and_a_second_one_does_not_extend_it() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, ANNOUNCED, Event::Shutdown]);
    let later = now + Duration::from_secs(4);
    assert_eq!(registration.on(Event::Shutdown, later), []);
    assert_eq!(registration.deadline(), Some(now + GRACE));
    assert_eq!(
        registration.on(Event::DeadlineReached, now + GRACE),
        [Action::Exit(Stopped::LeftToTtl)]
    );
}

#[test]
fn a_grace_or_a_drain_of_more_than_a_year_is_as_good_as_a_year() {
    let now = Instant::now();
    let year = Duration::from_secs(31_536_000);
    let mut registration = stopping(Duration::MAX, Duration::MAX, now);
    assert_eq!(registration.deadline(), Some(now + year));
    assert_eq!(registration.on(Event::Withdrawn, now), []);
    assert_eq!(registration.deadline(), Some(now + year));
    assert_eq!(
        registration.on(Event::DeadlineReached, now + year),
        [Action::Exit(Stopped::Clean)]
    );
}

#[test]
fn shutdown_before_anything_was_put_tries_once_to_sweep_away_a_previous_incarnations_key() {
    let now = Instant::now();
    for before in [&[][..], &[DOWN], &[DOWN, Event::Failed]] {
        let mut registration = registration();
        after(&mut registration, now, before);
        let swept = after(&mut registration, now, &[Event::Shutdown]);
        if before != [DOWN] {
            assert_eq!(
                swept,
                [Action::Ask(Request::Withdraw(Claim::Value))],
                "{before:?}"
            );
        }
        assert_eq!(
            registration.on(Event::Failed, now),
            [Action::Exit(Stopped::Clean)],
            "{before:?}"
        );
    }
}

#[test]
fn shutdown_waits_for_a_first_announcement_whose_answer_was_lost() {
    let now = Instant::now();
    let mut registration = registration();
    after(&mut registration, now, &[UP, Event::Failed]);
    assert_eq!(
        registration.on(Event::Shutdown, now),
        [Action::Ask(Request::Withdraw(Claim::Value))]
    );
    assert_eq!(registration.on(Event::Failed, now), []);
    assert_eq!(
        registration.on(Event::DeadlineReached, now + GRACE),
        [Action::Exit(Stopped::LeftToTtl)]
    );
}

#[test]
fn shutdown_cuts_a_back_off_short() {
    let now = Instant::now();
    let mut registration = registration();
    after(
        &mut registration,
        now,
        &[
            UP,
            ANNOUNCED,
            Event::LeaseLost { lease: LEASE },
            Event::Failed,
        ],
    );
    assert_eq!(
        registration.on(Event::Shutdown, now),
        [Action::Ask(Request::Withdraw(Claim::AnyLease))]
    );
}

#[test]
fn a_drained_service_is_taken_out_whatever_its_health_and_put_back() {
    let now = Instant::now();
    let mut registration = registration();
    let announced = Event::Announced {
        lease: LEASE,
        revision: 10,
    };
    after(
        &mut registration,
        now,
        &[Event::Verdict(Verdict::Up), announced],
    );
    let actions = registration.on(Event::Drained(true), now);
    let withdraw = Request::Withdraw(Claim::Lease(LEASE));
    assert_eq!(actions, [Action::Ask(withdraw)]);
    registration.on(Event::Withdrawn, now);
    assert_eq!(registration.status(), Status::Drained);
    assert_eq!(registration.on(Event::Verdict(Verdict::Down), now), []);
    assert_eq!(registration.on(Event::Verdict(Verdict::Up), now), []);
    assert_eq!(registration.status(), Status::Drained);
    let announce = Request::Announce { take_over: false };
    let actions = registration.on(Event::Drained(false), now);
    assert_eq!(actions, [Action::Ask(announce)]);
}

#[test]
fn one_that_is_drained_from_the_start_is_swept_away_and_ready() {
    let now = Instant::now();
    let mut registration = registration();
    let sweep = Request::Withdraw(Claim::Value);
    let actions = registration.on(Event::Drained(true), now);
    assert_eq!(actions, [Action::Ask(sweep)]);
    assert_eq!(registration.on(Event::Withdrawn, now), [Action::Ready]);
    assert_eq!(registration.status(), Status::Drained);
}

#[test]
fn another_value_is_put_over_the_old_one() {
    let now = Instant::now();
    let mut registration = registration();
    let announced = Event::Announced {
        lease: LEASE,
        revision: 10,
    };
    let up = Event::Verdict(Verdict::Up);
    after(&mut registration, now, &[up, announced]);
    let announce = Action::Ask(Request::Announce { take_over: false });
    assert_eq!(registration.on(Event::Restated, now), [announce]);
}

#[test]
fn another_value_that_comes_while_one_is_being_put_is_put_after_it() {
    let now = Instant::now();
    let mut registration = registration();
    registration.on(Event::Verdict(Verdict::Up), now);
    assert_eq!(registration.on(Event::Restated, now), []);
    let announced = Event::Announced {
        lease: LEASE,
        revision: 10,
    };
    let announce = Action::Ask(Request::Announce { take_over: false });
    assert_eq!(registration.on(announced, now), [announce]);
    assert_eq!(
        registration.on(announced, now),
        [Action::Ready],
        "once is enough"
    );
}

#[test]
fn other_limits_hold_for_the_next_stop() {
    let now = Instant::now();
    let mut registration = registration();
    let announced = Event::Announced {
        lease: LEASE,
        revision: 10,
    };
    after(
        &mut registration,
        now,
        &[Event::Verdict(Verdict::Up), announced],
    );
    let (drain, stop_timeout) = (Duration::from_secs(7), Duration::from_secs(9));
    registration.set_limits(drain, stop_timeout);
    assert!(!registration.is_stopping());
    registration.on(Event::Shutdown, now);
    assert!(registration.is_stopping());
    assert_eq!(registration.deadline(), Some(now + stop_timeout));
    registration.on(Event::Withdrawn, now);
    assert_eq!(registration.deadline(), Some(now + drain));
}
