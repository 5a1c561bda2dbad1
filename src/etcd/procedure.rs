//! Which calls put or delete our key, one after the other. Pure: the answer to a call comes in, the
//! next call goes out.
//!
//! Each write is conditional on what was read, so that an answer that got lost, or a request that
//! arrives late, can do no harm.

#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use super::announcement::Announcement;
use super::api::{Answer, Call, Condition, KeyValue, Page, Read};
use super::error::EtcdError;
use super::lease::Lease;
use super::our_leases::OurLeases;
use crate::registration::{Claim, LeaseId, Revision};

/// How often to start over when somebody else writes the key at the same moment.
const RACES: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Call(Call),
    Over(Ended),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Done(Done),
    /// Somebody else kept changing the key.
    Contended,
    /// As the call that failed, revocations not counted. What was asked may have happened unless
    /// etcd said no.
    Failed(EtcdError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Put {
        lease: Lease,
        revision: Revision,
        taken_over: Option<TakenOver>,
    },
    /// Another live lease holds it, and taking over was not asked for.
    Occupied { revision: Revision },
    /// Nothing of ours is left.
    Withdrawn { deleted: bool },
}

/// Whose key it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenOver {
    /// It had our value: from a previous incarnation.
    Ours,
    Foreign,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    Announce {
        fresh: LeaseId,
        ttl: Duration,
        take_over: bool,
    },
    Withdraw(Claim),
}

/// ```text
///  announce: Surveying ─▶ Returning ─▶ Granting ─▶ Reading ◀─▶ Writing ─▶ Returning ─▶ done
///  withdraw:                                       Reading ◀─▶ Writing ─▶ Returning ─▶ done
/// ```
#[derive(Clone, Debug)]
enum Step {
    /// Which of our leases holds the key still?
    Surveying,
    /// Gives back `id`, and the others but `kept` after it.
    Returning {
        id: LeaseId,
        kept: Option<LeaseId>,
        then: Then,
    },
    Granting,
    Reading,
    Writing {
        taken_over: Option<TakenOver>,
    },
    /// Gives back only `id`: the key was not put under it.
    GivingUp {
        id: LeaseId,
        ended: Ended,
    },
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Grant { fresh: LeaseId, ttl: Duration },
    End(Done),
}

/// One announcement or withdrawal.
#[derive(Clone, Debug)]
pub struct Procedure {
    announcement: Rc<Announcement>,
    goal: Goal,
    step: Step,
    lease: Option<Lease>,
    races: usize,
}

impl Procedure {
    /// Puts the key under a new lease, whose id is `fresh`. Choosing it ourselves lets us recognise
    /// the lease even if the answer is lost. `take_over`: even if another live lease holds the key.
    pub fn announce(
        announcement: &Rc<Announcement>,
        (fresh, ttl): (LeaseId, Duration),
        take_over: bool,
        our_leases: &mut OurLeases,
    ) -> (Self, Call) {
        let mut procedure = Self {
            announcement: Rc::clone(announcement),
            goal: Goal::Announce {
                fresh,
                ttl,
                take_over,
            },
            step: Step::Surveying,
            lease: None,
            races: RACES,
        };
        let call = if our_leases.is_empty() {
            procedure.grant(fresh, ttl, our_leases)
        } else {
            read(announcement)
        };
        (procedure, call)
    }

    /// Deletes the key if `claim` covers it.
    #[must_use]
    pub fn withdraw(announcement: &Rc<Announcement>, claim: Claim) -> (Self, Call) {
        let (step, call) = match claim {
            Claim::Lease(id) => (
                Step::Writing { taken_over: None },
                delete(announcement, Condition::HeldBy(id)),
            ),
            Claim::AnyLease | Claim::Value => (Step::Reading, read(announcement)),
        };
        let procedure = Self {
            announcement: Rc::clone(announcement),
            goal: Goal::Withdraw(claim),
            step,
            lease: None,
            races: RACES,
        };
        (procedure, call)
    }

    /// Takes in the answer to the last call.
    pub fn on(&mut self, answer: Result<Answer, EtcdError>, our_leases: &mut OurLeases) -> Next {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.failed(error, our_leases),
        };
        match (self.step.clone(), answer) {
            // One of them may hold the key: it goes after the key was put under the new one.
            (Step::Surveying, Answer::Page(page)) => match self.goal {
                Goal::Announce { fresh, ttl, .. } => {
                    let kept = found(page).1.map(|kv| kv.lease);
                    self.give_back(kept, Then::Grant { fresh, ttl }, our_leases)
                }
                Goal::Withdraw(_) => unreachable!("only who announces surveys"),
            },
            (Step::Granting, Answer::Granted(lease)) => {
                self.lease = Some(lease);
                self.read()
            }
            (Step::Reading, Answer::Page(page)) => {
                let (revision, found) = found(page);
                self.decide(revision, found.as_ref(), our_leases)
            }
            (Step::Writing { taken_over }, Answer::Written { revision }) => {
                self.written(revision, taken_over, our_leases)
            }
            (Step::Writing { .. }, Answer::Unchanged) => self.not_written(our_leases),
            (Step::Returning { id, kept, then }, Answer::Revoked) => {
                our_leases.forget(id);
                self.give_back(kept, then, our_leases)
            }
            (Step::GivingUp { id, ended }, Answer::Revoked) => {
                our_leases.forget(id);
                Next::Over(ended)
            }
            (step, answer) => unreachable!("{step:?} is not answered with {answer:?}"),
        }
    }

    fn failed(&mut self, error: EtcdError, our_leases: &mut OurLeases) -> Next {
        let said_no = error.is_answer();
        match (self.step.clone(), self.goal) {
            // If it could not be revoked, it is gone already, or we may not.
            (Step::Returning { id, kept, then }, _) if said_no => {
                our_leases.forget(id);
                self.give_back(kept, then, our_leases)
            }
            // A server that is out of reach is not asked for the others; another may be.
            (Step::Returning { then, .. }, _) => self.go_on(then, our_leases),
            (Step::GivingUp { id, ended }, _) => {
                if said_no {
                    our_leases.forget(id);
                }
                Next::Over(ended)
            }
            (Step::Granting, Goal::Announce { fresh, .. }) if said_no => {
                our_leases.forget(fresh);
                Next::Over(Ended::Failed(error))
            }
            _ if said_no => self.give_up(Ended::Failed(error)),
            _ => Next::Over(Ended::Failed(error)),
        }
    }

    fn written(
        &mut self,
        revision: Revision,
        taken_over: Option<TakenOver>,
        our_leases: &mut OurLeases,
    ) -> Next {
        let Some(lease) = self.lease else {
            return self.withdrawn(true, our_leases);
        };
        let done = Done::Put {
            lease,
            revision,
            taken_over,
        };
        self.give_back(Some(lease.id), Then::End(done), our_leases)
    }

    fn not_written(&mut self, our_leases: &mut OurLeases) -> Next {
        if matches!(self.goal, Goal::Withdraw(Claim::Lease(_))) {
            return self.withdrawn(false, our_leases);
        }
        self.races -= 1;
        if self.races == 0 {
            self.give_up(Ended::Contended)
        } else {
            self.read()
        }
    }

    fn decide(
        &mut self,
        now: Revision,
        found: Option<&KeyValue>,
        our_leases: &mut OurLeases,
    ) -> Next {
        match self.goal {
            Goal::Announce {
                fresh, take_over, ..
            } => {
                let taken_over = found.and_then(|found| self.taken_over(found, our_leases));
                let held = found.is_some_and(|found| found.lease != 0);
                if held && taken_over.is_some() && !take_over {
                    let done = Done::Occupied { revision: now };
                    return self.give_back(None, Then::End(done), our_leases);
                }
                self.step = Step::Writing { taken_over };
                Next::Call(Call::Put {
                    announcement: Rc::clone(&self.announcement),
                    lease: fresh,
                    unchanged_since: found.map_or(0, |found| found.revision),
                })
            }
            Goal::Withdraw(claim) => {
                let ours = |found: &&KeyValue| {
                    our_leases.contains(found.lease)
                        || (claim == Claim::Value && self.has_our_value(found))
                };
                let Some(found) = found.filter(ours) else {
                    return self.withdrawn(false, our_leases);
                };
                self.step = Step::Writing { taken_over: None };
                let unchanged = Condition::UnchangedSince(found.revision);
                Next::Call(delete(&self.announcement, unchanged))
            }
        }
    }

    fn taken_over(&self, found: &KeyValue, our_leases: &OurLeases) -> Option<TakenOver> {
        if our_leases.contains(found.lease) {
            None
        } else if self.has_our_value(found) {
            Some(TakenOver::Ours)
        } else {
            Some(TakenOver::Foreign)
        }
    }

    fn has_our_value(&self, found: &KeyValue) -> bool {
        found.value == self.announcement.value.as_bytes()
    }

    fn grant(&mut self, fresh: LeaseId, ttl: Duration, our_leases: &mut OurLeases) -> Call {
        self.step = Step::Granting;
        our_leases.push(fresh);
        Call::Grant { lease: fresh, ttl }
    }

    fn read(&mut self) -> Next {
        self.step = Step::Reading;
        Next::Call(read(&self.announcement))
    }

    fn withdrawn(&mut self, deleted: bool, our_leases: &mut OurLeases) -> Next {
        self.give_back(None, Then::End(Done::Withdrawn { deleted }), our_leases)
    }

    /// None of the leases is kept alive, so a failure only means that one lasts until its TTL.
    fn give_back(&mut self, kept: Option<LeaseId>, then: Then, our_leases: &mut OurLeases) -> Next {
        match our_leases.other_than(kept) {
            Some(id) => {
                self.step = Step::Returning { id, kept, then };
                Next::Call(Call::Revoke(id))
            }
            None => self.go_on(then, our_leases),
        }
    }

    fn go_on(&mut self, then: Then, our_leases: &mut OurLeases) -> Next {
        match then {
            Then::End(done) => Next::Over(Ended::Done(done)),
            Then::Grant { fresh, ttl } => Next::Call(self.grant(fresh, ttl, our_leases)),
        }
    }

    /// Etcd answers, but the key is not to be had: a lease that was granted for it is given back.
    fn give_up(&mut self, ended: Ended) -> Next {
        match self.lease {
            Some(Lease { id, .. }) => {
                self.step = Step::GivingUp { id, ended };
                Next::Call(Call::Revoke(id))
            }
            None => Next::Over(ended),
        }
    }
}

fn read(announcement: &Announcement) -> Call {
    Call::Read(Read::key(&announcement.key))
}

fn delete(announcement: &Rc<Announcement>, when: Condition) -> Call {
    Call::Delete {
        announcement: Rc::clone(announcement),
        when,
    }
}

/// The key as it was read, and when.
fn found(page: Page) -> (Revision, Option<KeyValue>) {
    (page.history.revision, page.entries.into_iter().next())
}
