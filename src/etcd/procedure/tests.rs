//! Announcements and withdrawals as stories: what etcd is asked, what it answers, how it ends, and
//! which leases are then still ours.

use std::sync::LazyLock;
use std::time::Instant;

use super::super::api::{History, KeyRange, What};
use super::super::error::Problem;
use super::*;

const FRESH: LeaseId = 30;
/// Asked for earlier by this process.
const OLD: LeaseId = 20;
const OLDER: LeaseId = 10;
const FOREIGN: LeaseId = 99;
const NONE: LeaseId = 0;

const KEY: &str = "/services/apache/host";
const OURS: &str = "10.0.0.1:80";
const OTHERS: &str = "10.0.0.2:80";
const TTL: Duration = Duration::from_secs(30);

thread_local! {
    static TARGET: Rc<Announcement> = Rc::new(Announcement {
        key: KEY.to_owned(),
        value: OURS.to_owned(),
        port: 80,
    });
}
static LEASE: LazyLock<Lease> = LazyLock::new(|| Lease::granted(FRESH, TTL, Instant::now()));

fn target() -> Rc<Announcement> {
    TARGET.with(Rc::clone)
}

type Answered = Result<Answer, EtcdError>;

struct Story {
    procedure: Procedure,
    our_leases: OurLeases,
    next: Next,
}

/// An announcement that may take the key over.
fn announcing(ours: &[LeaseId]) -> Story {
    begun(ours, |our_leases| {
        Procedure::announce(&target(), (FRESH, TTL), true, our_leases)
    })
}

fn announcing_without_taking_over(ours: &[LeaseId]) -> Story {
    begun(ours, |our_leases| {
        Procedure::announce(&target(), (FRESH, TTL), false, our_leases)
    })
}

fn withdrawing(ours: &[LeaseId], claim: Claim) -> Story {
    begun(ours, |_| Procedure::withdraw(&target(), claim))
}

fn begun(ours: &[LeaseId], begin: impl FnOnce(&mut OurLeases) -> (Procedure, Call)) -> Story {
    let mut our_leases = leases(ours);
    let (procedure, call) = begin(&mut our_leases);
    Story {
        procedure,
        our_leases,
        next: Next::Call(call),
    }
}

fn leases(ids: &[LeaseId]) -> OurLeases {
    let mut our_leases = OurLeases::default();
    for id in ids {
        our_leases.push(*id);
    }
    our_leases
}

impl Story {
    #[track_caller]
    fn asks(mut self, call: Call, answer: Answered) -> Self {
        assert_eq!(self.next, Next::Call(call));
        self.next = self.procedure.on(answer, &mut self.our_leases);
        self
    }

    #[track_caller]
    fn ends(self, ended: Ended, ours: &[LeaseId]) {
        assert_eq!(self.next, Next::Over(ended));
        assert_eq!(self.our_leases, leases(ours));
    }
}

fn read() -> Call {
    Call::Read(Read {
        range: KeyRange::exactly(KEY),
        revision: 0,
        limit: 1,
        what: What::Everything,
        serializable: false,
    })
}

fn grant() -> Call {
    Call::Grant {
        lease: FRESH,
        ttl: TTL,
    }
}

fn put(unchanged_since: Revision) -> Call {
    Call::Put {
        announcement: target(),
        lease: FRESH,
        unchanged_since,
    }
}

fn delete(when: Condition) -> Call {
    Call::Delete {
        announcement: target(),
        when,
    }
}

fn revoke(lease: LeaseId) -> Call {
    Call::Revoke(lease)
}

/// Read at revision 100; written last at 90.
fn found(value: &'static str, lease: LeaseId) -> Answered {
    page(vec![KeyValue {
        key: KEY.into(),
        value: value.into(),
        lease,
        revision: 90,
    }])
}

fn nothing() -> Answered {
    page(Vec::new())
}

fn page(entries: Vec<KeyValue>) -> Answered {
    let history = History {
        revision: 100,
        ..History::default()
    };
    Ok(Answer::Page(Page {
        history,
        entries,
        more: false,
    }))
}

fn granted() -> Answered {
    Ok(Answer::Granted(*LEASE))
}

fn written() -> Answered {
    Ok(Answer::Written { revision: 101 })
}

fn unchanged() -> Answered {
    Ok(Answer::Unchanged)
}

fn revoked() -> Answered {
    Ok(Answer::Revoked)
}

fn error(problem: Problem) -> EtcdError {
    EtcdError::new("http://e", problem, "no")
}

fn refused() -> Answered {
    Err(error(Problem::Denied))
}

fn lost() -> Answered {
    Err(error(Problem::Silent))
}

fn put_under_the_lease(taken_over: Option<TakenOver>) -> Ended {
    Ended::Done(Done::Put {
        lease: *LEASE,
        revision: 101,
        taken_over,
    })
}

fn occupied() -> Ended {
    Ended::Done(Done::Occupied { revision: 100 })
}

fn withdrawn(deleted: bool) -> Ended {
    Ended::Done(Done::Withdrawn { deleted })
}

fn failed(problem: Problem) -> Ended {
    Ended::Failed(error(problem))
}

#[test]
fn a_free_key_is_put_under_a_new_lease_as_long_as_it_is_free() {
    announcing(&[])
        .asks(grant(), granted())
        .asks(read(), nothing())
        .asks(put(0), written())
        .ends(put_under_the_lease(None), &[FRESH]);
}

#[test]
fn a_key_of_a_previous_incarnation_is_taken_over_as_it_was_read() {
    announcing(&[])
        .asks(grant(), granted())
        .asks(read(), found(OURS, FOREIGN))
        .asks(put(90), written())
        .ends(put_under_the_lease(Some(TakenOver::Ours)), &[FRESH]);
}

#[test]
fn a_foreign_key_is_taken_over_as_it_was_read() {
    announcing(&[])
        .asks(grant(), granted())
        .asks(read(), found(OTHERS, FOREIGN))
        .asks(put(90), written())
        .ends(put_under_the_lease(Some(TakenOver::Foreign)), &[FRESH]);
}

#[test]
fn who_may_not_take_over_leaves_a_key_that_another_lease_holds_and_gives_its_own_back() {
    for value in [OURS, OTHERS] {
        announcing_without_taking_over(&[])
            .asks(grant(), granted())
            .asks(read(), found(value, FOREIGN))
            .asks(revoke(FRESH), revoked())
            .ends(occupied(), &[]);
    }
}

#[test]
fn who_may_not_take_over_takes_a_key_that_no_lease_holds() {
    announcing_without_taking_over(&[])
        .asks(grant(), granted())
        .asks(read(), found(OTHERS, NONE))
        .asks(put(90), written())
        .ends(put_under_the_lease(Some(TakenOver::Foreign)), &[FRESH]);
}

#[test]
fn leases_from_before_are_given_back_first_but_the_one_that_holds_the_key_after_the_put() {
    for value in [OURS, OTHERS] {
        announcing_without_taking_over(&[OLDER, OLD])
            .asks(read(), found(value, OLDER))
            .asks(revoke(OLD), revoked())
            .asks(grant(), granted())
            .asks(read(), found(value, OLDER))
            .asks(put(90), written())
            .asks(revoke(OLDER), revoked())
            .ends(put_under_the_lease(None), &[FRESH]);
    }
}

#[test]
fn leases_from_before_are_all_given_back_first_if_none_of_them_holds_the_key() {
    for there in [nothing(), found(OURS, FOREIGN), found(OTHERS, NONE)] {
        announcing(&[OLDER, OLD])
            .asks(read(), there)
            .asks(revoke(OLDER), revoked())
            .asks(revoke(OLD), revoked())
            .asks(grant(), granted())
            .asks(read(), nothing())
            .asks(put(0), written())
            .ends(put_under_the_lease(None), &[FRESH]);
    }
}

#[test]
fn a_lease_from_before_that_etcd_does_not_take_back_is_ours_no_more_and_the_next_is_tried() {
    announcing(&[OLDER, OLD])
        .asks(read(), nothing())
        .asks(revoke(OLDER), refused())
        .asks(revoke(OLD), revoked())
        .asks(grant(), granted())
        .asks(read(), nothing())
        .asks(put(0), written())
        .ends(put_under_the_lease(None), &[FRESH]);
}

#[test]
fn a_lease_from_before_that_could_not_be_given_back_holds_nothing_up() {
    announcing(&[OLDER, OLD])
        .asks(read(), nothing())
        .asks(revoke(OLDER), lost())
        .asks(grant(), granted())
        .asks(read(), nothing())
        .asks(put(0), written())
        .asks(revoke(OLDER), lost())
        .ends(put_under_the_lease(None), &[OLDER, OLD, FRESH]);
}

#[test]
fn a_key_that_somebody_else_wrote_meanwhile_is_read_again_and_taken_as_it_is_then() {
    announcing(&[])
        .asks(grant(), granted())
        .asks(read(), nothing())
        .asks(put(0), unchanged())
        .asks(read(), found(OTHERS, FOREIGN))
        .asks(put(90), written())
        .ends(put_under_the_lease(Some(TakenOver::Foreign)), &[FRESH]);
}

#[test]
fn who_may_not_take_over_leaves_a_key_that_another_lease_came_to_hold_meanwhile() {
    announcing_without_taking_over(&[])
        .asks(grant(), granted())
        .asks(read(), nothing())
        .asks(put(0), unchanged())
        .asks(read(), found(OTHERS, FOREIGN))
        .asks(revoke(FRESH), revoked())
        .ends(occupied(), &[]);
}

/// An announcement whose put comes too late five times.
fn outrun(ours: &[LeaseId]) -> Story {
    let mut story = announcing(ours);
    if !ours.is_empty() {
        story = story.asks(read(), found(OURS, OLD));
    }
    story = story.asks(grant(), granted());
    for _ in 0..5 {
        story = story.asks(read(), nothing()).asks(put(0), unchanged());
    }
    story
}

#[test]
fn a_key_that_somebody_keeps_changing_is_given_up_and_only_the_new_lease_with_it() {
    outrun(&[])
        .asks(revoke(FRESH), revoked())
        .ends(Ended::Contended, &[]);
    outrun(&[OLD])
        .asks(revoke(FRESH), revoked())
        .ends(Ended::Contended, &[OLD]);
}

#[test]
fn a_lease_given_up_that_etcd_does_not_take_back_is_ours_no_more() {
    outrun(&[])
        .asks(revoke(FRESH), refused())
        .ends(Ended::Contended, &[]);
}

#[test]
fn a_lease_given_up_whose_answer_is_lost_is_remembered() {
    outrun(&[])
        .asks(revoke(FRESH), lost())
        .ends(Ended::Contended, &[FRESH]);
}

#[test]
fn who_may_not_read_where_the_key_is_keeps_the_leases_from_before() {
    announcing(&[OLD])
        .asks(read(), refused())
        .ends(failed(Problem::Denied), &[OLD]);
}

#[test]
fn a_lease_that_etcd_refuses_to_grant_is_not_ours() {
    announcing(&[])
        .asks(grant(), refused())
        .ends(failed(Problem::Denied), &[]);
    announcing(&[OLD])
        .asks(read(), found(OURS, OLD))
        .asks(grant(), refused())
        .ends(failed(Problem::Denied), &[OLD]);
}

#[test]
fn a_lease_is_given_back_when_the_key_may_not_be_read() {
    announcing(&[])
        .asks(grant(), granted())
        .asks(read(), refused())
        .asks(revoke(FRESH), revoked())
        .ends(failed(Problem::Denied), &[]);
}

#[test]
fn a_lease_is_given_back_when_the_key_may_not_be_put() {
    announcing(&[])
        .asks(grant(), granted())
        .asks(read(), nothing())
        .asks(put(0), refused())
        .asks(revoke(FRESH), revoked())
        .ends(failed(Problem::Denied), &[]);
}

#[test]
fn an_announcement_fails_as_its_call_did_whatever_comes_of_giving_the_lease_back() {
    for (answer, ours) in [(refused(), &[][..]), (lost(), &[FRESH])] {
        announcing(&[])
            .asks(grant(), granted())
            .asks(read(), nothing())
            .asks(put(0), Err(error(Problem::Rejected)))
            .asks(revoke(FRESH), answer)
            .ends(failed(Problem::Rejected), ours);
    }
}

#[test]
fn after_a_lost_answer_nothing_more_is_asked_and_every_lease_is_remembered() {
    let silent = || failed(Problem::Silent);
    let surveying = || announcing(&[OLD]);
    surveying().asks(read(), lost()).ends(silent(), &[OLD]);
    let granting = || surveying().asks(read(), found(OURS, OLD));
    granting()
        .asks(grant(), lost())
        .ends(silent(), &[OLD, FRESH]);
    let reading = || granting().asks(grant(), granted());
    reading().asks(read(), lost()).ends(silent(), &[OLD, FRESH]);
    let putting = || reading().asks(read(), found(OURS, OLD));
    putting()
        .asks(put(90), lost())
        .ends(silent(), &[OLD, FRESH]);
    let returning = || putting().asks(put(90), written());
    returning()
        .asks(revoke(OLD), lost())
        .ends(put_under_the_lease(None), &[OLD, FRESH]);
}

#[test]
fn a_withdrawal_by_lease_deletes_what_the_lease_holds_and_gives_all_leases_back() {
    withdrawing(&[OLDER, OLD], Claim::Lease(OLD))
        .asks(delete(Condition::HeldBy(OLD)), written())
        .asks(revoke(OLDER), revoked())
        .asks(revoke(OLD), revoked())
        .ends(withdrawn(true), &[]);
}

#[test]
fn a_withdrawal_by_lease_leaves_what_another_lease_holds_and_gives_its_own_back() {
    withdrawing(&[OLD], Claim::Lease(OLD))
        .asks(delete(Condition::HeldBy(OLD)), unchanged())
        .asks(revoke(OLD), revoked())
        .ends(withdrawn(false), &[]);
}

#[test]
fn a_withdrawal_by_any_lease_of_ours_deletes_the_key_as_it_was_read() {
    for claim in [Claim::AnyLease, Claim::Value] {
        for value in [OURS, OTHERS] {
            withdrawing(&[OLDER, OLD], claim)
                .asks(read(), found(value, OLD))
                .asks(delete(Condition::UnchangedSince(90)), written())
                .asks(revoke(OLDER), revoked())
                .asks(revoke(OLD), revoked())
                .ends(withdrawn(true), &[]);
        }
    }
}

#[test]
fn a_withdrawal_by_any_lease_of_ours_leaves_what_none_of_them_holds() {
    for there in [
        nothing(),
        found(OURS, FOREIGN),
        found(OURS, NONE),
        found(OTHERS, FOREIGN),
    ] {
        withdrawing(&[OLD], Claim::AnyLease)
            .asks(read(), there)
            .asks(revoke(OLD), revoked())
            .ends(withdrawn(false), &[]);
    }
}

#[test]
fn a_withdrawal_by_value_deletes_the_key_of_a_previous_incarnation() {
    for lease in [FOREIGN, NONE] {
        withdrawing(&[], Claim::Value)
            .asks(read(), found(OURS, lease))
            .asks(delete(Condition::UnchangedSince(90)), written())
            .ends(withdrawn(true), &[]);
    }
}

#[test]
fn a_withdrawal_by_value_leaves_a_foreign_one() {
    for there in [nothing(), found(OTHERS, FOREIGN), found(OTHERS, NONE)] {
        withdrawing(&[], Claim::Value)
            .asks(read(), there)
            .ends(withdrawn(false), &[]);
    }
}

#[test]
fn a_withdrawal_reads_again_when_somebody_writes_the_key_meanwhile() {
    withdrawing(&[OLD], Claim::AnyLease)
        .asks(read(), found(OURS, OLD))
        .asks(delete(Condition::UnchangedSince(90)), unchanged())
        .asks(read(), found(OTHERS, FOREIGN))
        .asks(revoke(OLD), revoked())
        .ends(withdrawn(false), &[]);
}

#[test]
fn a_withdrawal_gives_up_when_somebody_keeps_writing_the_key_and_keeps_its_leases() {
    let mut story = withdrawing(&[OLD], Claim::Value);
    for _ in 0..5 {
        story = story
            .asks(read(), found(OURS, FOREIGN))
            .asks(delete(Condition::UnchangedSince(90)), unchanged());
    }
    story.ends(Ended::Contended, &[OLD]);
}

#[test]
fn a_withdrawal_fails_at_its_first_call_that_does_and_keeps_its_leases() {
    for problem in [Problem::Denied, Problem::Silent] {
        let fault = || Err(error(problem));
        withdrawing(&[OLD], Claim::Lease(OLD))
            .asks(delete(Condition::HeldBy(OLD)), fault())
            .ends(failed(problem), &[OLD]);
        withdrawing(&[OLD], Claim::AnyLease)
            .asks(read(), fault())
            .ends(failed(problem), &[OLD]);
        withdrawing(&[OLD], Claim::AnyLease)
            .asks(read(), found(OURS, OLD))
            .asks(delete(Condition::UnchangedSince(90)), fault())
            .ends(failed(problem), &[OLD]);
    }
}

#[test]
fn a_withdrawal_is_done_even_if_etcd_does_not_take_the_leases_back() {
    withdrawing(&[OLDER, OLD], Claim::Lease(OLD))
        .asks(delete(Condition::HeldBy(OLD)), written())
        .asks(revoke(OLDER), refused())
        .asks(revoke(OLD), refused())
        .ends(withdrawn(true), &[]);
}

#[test]
fn a_withdrawal_is_done_even_if_the_leases_could_not_be_given_back_and_remembers_them() {
    withdrawing(&[OLDER, OLD], Claim::Lease(OLD))
        .asks(delete(Condition::HeldBy(OLD)), written())
        .asks(revoke(OLDER), lost())
        .ends(withdrawn(true), &[OLDER, OLD]);
}
