//! Which calls put or delete our key, one after the other. Pure: the answer to a call comes in, the
//! next call goes out.
//!
//! Each write is conditional on what was read, so that an answer that got lost, or a request that
//! arrives late, can do no harm.

use super::granted::Granted;
use super::lease::Lease;
use crate::registration::{Claim, LeaseId, Revision};

/// How often to start over when somebody else writes the key at the same moment.
const RACES: usize = 5;

/// What to ask of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    /// A lease of this id.
    Grant(LeaseId),
    /// Our value under the lease, if the key was last written at this revision; 0 if it is not there.
    Put {
        lease: LeaseId,
        unchanged_since: Revision,
    },
    Delete(Condition),
    Revoke(LeaseId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    HeldBy(LeaseId),
    UnchangedSince(Revision),
}

/// Each call has one answer.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Read {
        revision: Revision,
        found: Option<Found>,
    },
    Granted(Lease),
    /// The condition held.
    Written {
        revision: Revision,
    },
    /// The condition did not hold.
    Unchanged,
    Revoked,
    /// Etcd said no.
    Refused,
    /// Etcd was out of reach. It may have happened.
    Lost,
}

/// The key as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// 0 if none holds it.
    pub lease: LeaseId,
    /// When it was last written.
    pub revision: Revision,
    /// Whether it has the value that we would write.
    pub our_value: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Next {
    Call(Call),
    Done(Done),
}

#[derive(Clone, Copy, Debug)]
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
    /// As the call that failed, revocations not counted. It may have happened if etcd was out of
    /// reach.
    Failed,
    /// Somebody else kept changing the key.
    Contended,
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
    Announce { fresh: LeaseId, take_over: bool },
    Withdraw(Claim),
}

/// ```text
///  announce: Surveying ─▶ Returning ─▶ Granting ─▶ Reading ◀─▶ Writing ─▶ Returning ─▶ done
///  withdraw:                                       Reading ◀─▶ Writing ─▶ Returning ─▶ done
/// ```
#[derive(Clone, Copy, Debug)]
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
        done: Done,
    },
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Grant,
    End(Done),
}

/// One announcement or withdrawal.
#[derive(Clone, Debug)]
pub struct Procedure {
    goal: Goal,
    step: Step,
    lease: Option<Lease>,
    races: usize,
}

impl Procedure {
    /// Puts the key under a new lease, whose id is `fresh`. Choosing it ourselves lets us recognise
    /// the lease even if the answer is lost. `take_over`: even if another live lease holds the key.
    pub fn announce(fresh: LeaseId, take_over: bool, granted: &mut Granted) -> (Self, Call) {
        let mut procedure = Self {
            goal: Goal::Announce { fresh, take_over },
            step: Step::Surveying,
            lease: None,
            races: RACES,
        };
        let call = if granted.is_empty() {
            procedure.grant(fresh, granted)
        } else {
            Call::Read
        };
        (procedure, call)
    }

    /// Deletes the key if `claim` covers it.
    #[must_use]
    pub fn withdraw(claim: Claim) -> (Self, Call) {
        let (step, call) = match claim {
            Claim::Lease(id) => (
                Step::Writing { taken_over: None },
                Call::Delete(Condition::HeldBy(id)),
            ),
            Claim::Granted | Claim::Value => (Step::Reading, Call::Read),
        };
        let procedure = Self {
            goal: Goal::Withdraw(claim),
            step,
            lease: None,
            races: RACES,
        };
        (procedure, call)
    }

    /// Takes in the answer to the last call.
    pub fn on(&mut self, answer: Answer, granted: &mut Granted) -> Next {
        match (self.step, answer) {
            // A server that is out of reach is not asked for the others; another may be.
            (Step::Returning { then, .. }, Answer::Lost) => self.go_on(then, granted),
            // If it could not be revoked, it is gone already, or we may not.
            (Step::Returning { id, kept, then }, _) => {
                granted.forget(id);
                self.give_back(kept, then, granted)
            }
            (Step::GivingUp { done, .. }, Answer::Lost) => Next::Done(done),
            (Step::GivingUp { id, done }, _) => {
                granted.forget(id);
                Next::Done(done)
            }
            // One of them may hold the key: it goes after the key was put under the new one.
            (Step::Surveying, Answer::Read { found, .. }) => {
                self.give_back(found.map(|found| found.lease), Then::Grant, granted)
            }
            (Step::Granting, Answer::Granted(lease)) => {
                self.lease = Some(lease);
                self.read()
            }
            (Step::Granting, Answer::Refused) => {
                if let Goal::Announce { fresh, .. } = self.goal {
                    granted.forget(fresh);
                }
                Next::Done(Done::Failed)
            }
            (Step::Reading, Answer::Read { revision, found }) => {
                self.decide(revision, found, granted)
            }
            (Step::Writing { taken_over }, Answer::Written { revision }) => match self.lease {
                Some(lease) => {
                    let done = Done::Put {
                        lease,
                        revision,
                        taken_over,
                    };
                    self.give_back(Some(lease.id), Then::End(done), granted)
                }
                None => self.withdrawn(true, granted),
            },
            (Step::Writing { .. }, Answer::Unchanged) => match self.goal {
                Goal::Withdraw(Claim::Lease(_)) => self.withdrawn(false, granted),
                Goal::Announce { .. } | Goal::Withdraw(Claim::Granted | Claim::Value) => {
                    self.races -= 1;
                    if self.races == 0 {
                        self.give_up(Done::Contended)
                    } else {
                        self.read()
                    }
                }
            },
            (_, Answer::Refused) => self.give_up(Done::Failed),
            (_, _) => Next::Done(Done::Failed),
        }
    }

    fn decide(&mut self, now: Revision, found: Option<Found>, granted: &mut Granted) -> Next {
        match self.goal {
            Goal::Announce { fresh, take_over } => {
                let taken_over = found.and_then(|found| taken_over(found, granted));
                let held = found.is_some_and(|found| found.lease != 0);
                if held && taken_over.is_some() && !take_over {
                    let done = Done::Occupied { revision: now };
                    return self.give_back(None, Then::End(done), granted);
                }
                self.step = Step::Writing { taken_over };
                Next::Call(Call::Put {
                    lease: fresh,
                    unchanged_since: found.map_or(0, |found| found.revision),
                })
            }
            Goal::Withdraw(claim) => {
                let ours = |found: &Found| {
                    granted.contains(found.lease) || (claim == Claim::Value && found.our_value)
                };
                let Some(found) = found.filter(ours) else {
                    return self.withdrawn(false, granted);
                };
                self.step = Step::Writing { taken_over: None };
                Next::Call(Call::Delete(Condition::UnchangedSince(found.revision)))
            }
        }
    }

    fn grant(&mut self, fresh: LeaseId, granted: &mut Granted) -> Call {
        self.step = Step::Granting;
        granted.push(fresh);
        Call::Grant(fresh)
    }

    fn read(&mut self) -> Next {
        self.step = Step::Reading;
        Next::Call(Call::Read)
    }

    fn withdrawn(&mut self, deleted: bool, granted: &mut Granted) -> Next {
        self.give_back(None, Then::End(Done::Withdrawn { deleted }), granted)
    }

    /// None of the leases is kept alive, so a failure only means that one lasts until its TTL.
    fn give_back(&mut self, kept: Option<LeaseId>, then: Then, granted: &mut Granted) -> Next {
        match granted.other_than(kept) {
            Some(id) => {
                self.step = Step::Returning { id, kept, then };
                Next::Call(Call::Revoke(id))
            }
            None => self.go_on(then, granted),
        }
    }

    fn go_on(&mut self, then: Then, granted: &mut Granted) -> Next {
        match (then, self.goal) {
            (Then::End(done), _) => Next::Done(done),
            (Then::Grant, Goal::Announce { fresh, .. }) => Next::Call(self.grant(fresh, granted)),
            (Then::Grant, Goal::Withdraw(_)) => Next::Done(Done::Failed),
        }
    }

    /// Etcd answers, but the key is not to be had: a lease that was granted for it is given back.
    fn give_up(&mut self, done: Done) -> Next {
        match self.lease {
            Some(Lease { id, .. }) => {
                self.step = Step::GivingUp { id, done };
                Next::Call(Call::Revoke(id))
            }
            None => Next::Done(done),
        }
    }
}

fn taken_over(found: Found, granted: &Granted) -> Option<TakenOver> {
    if granted.contains(found.lease) {
        None
    } else if found.our_value {
        Some(TakenOver::Ours)
    } else {
        Some(TakenOver::Foreign)
    }
}
