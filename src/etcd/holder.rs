//! One key of ours: which calls put it or take it away, and what is said of it. It asks nothing itself.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tracing::{debug, info, warn};

use super::announcement::{Announcement, KEY_OF_ITS_OWN};
use super::api::{Answer, Call};
use super::error::{EtcdError, Problem};
use super::lease::Lease;
use super::our_leases::OurLeases;
use super::procedure::{Done, Ended, Next, Procedure, TakenOver};
use super::reach::Connection;
use crate::registration::{Event, LeaseId, Request};
use crate::world::World;

pub(super) struct KeyHolder {
    announcement: Rc<Announcement>,
    /// As asked for.
    ttl: Duration,
    our_leases: OurLeases,
    /// What is under way.
    procedure: Option<Procedure>,
    written: bool,
    /// What the last announcement took over.
    taken_over: Option<TakenOver>,
    /// The error that was etcd's last answer to a request, as it was logged.
    turned_down: Option<String>,
    /// Whether, by its value, another instance on this host holds the key.
    neighbour: bool,
    /// The same, when what is under way was begun.
    neighbour_before: bool,
    rng: Rng,
}

/// What follows on an answer.
pub(super) enum Step {
    Ask(Call),
    /// The request is answered.
    Announced(Lease, Event),
    Over(Event),
    /// It may have happened, unless etcd said no.
    Failed(EtcdError),
    /// The connection works, and another would not help: somebody else kept writing the key.
    Contended,
}

impl KeyHolder {
    pub(super) fn new(announcement: Announcement, ttl: Duration, seed: u64) -> Self {
        Self {
            announcement: Rc::new(announcement),
            ttl,
            our_leases: OurLeases::default(),
            procedure: None,
            written: false,
            taken_over: None,
            turned_down: None,
            neighbour: false,
            neighbour_before: false,
            rng: Rng::with_seed(seed),
        }
    }

    /// From the next announcement on.
    pub(super) fn restate(&mut self, announcement: Announcement, ttl: Duration) {
        self.announcement = Rc::new(announcement);
        self.ttl = ttl;
    }

    pub(super) fn key(&self) -> &str {
        &self.announcement.key
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether etcd ever took a write of ours.
    pub(super) fn has_written(&self) -> bool {
        self.written
    }

    /// The key as it was found: whether it has come to be a neighbour's, or is not any more.
    pub(super) fn note_value(&mut self, value: &[u8]) -> Option<bool> {
        let neighbour = self.announcement.is_of_another_port(value);
        let before = std::mem::replace(&mut self.neighbour, neighbour);
        (before != neighbour).then_some(neighbour)
    }

    /// Begins what is asked for: the first call.
    pub(super) fn begin(&mut self, request: Request) -> Call {
        let (procedure, call) = match request {
            Request::Announce { take_over } => {
                let fresh = (fresh_lease(&mut self.rng), self.ttl);
                Procedure::announce(&self.announcement, fresh, take_over, &mut self.our_leases)
            }
            Request::Withdraw(claim) => Procedure::withdraw(&self.announcement, claim),
        };
        self.procedure = Some(procedure);
        self.neighbour_before = self.neighbour;
        call
    }

    /// Leaves what is under way, if anything is: its answer will not come.
    pub(super) fn leave(&mut self) -> bool {
        self.procedure.take().is_some()
    }

    /// Takes in the answer to the last call.
    pub(super) fn on(&mut self, call: &Call, answer: Result<Answer, EtcdError>) -> Option<Step> {
        let mut procedure = self.procedure.take()?;
        note(call, &answer);
        Some(match procedure.on(answer, &mut self.our_leases) {
            Next::Call(call) => {
                self.procedure = Some(procedure);
                Step::Ask(call)
            }
            Next::Over(Ended::Done(done)) => self.done(done),
            Next::Over(Ended::Failed(error)) => Step::Failed(error),
            Next::Over(Ended::Contended) => Step::Contended,
        })
    }

    fn done(&mut self, done: Done) -> Step {
        if self.turned_down.take().is_some() {
            info!(
                event = "writes_accepted",
                key = self.announcement.key,
                "etcd takes our requests again"
            );
        }
        match done {
            Done::Put {
                lease,
                revision,
                taken_over,
            } => {
                self.written = true;
                self.log_registered(lease.id, taken_over);
                let id = lease.id;
                let event = Event::Announced {
                    lease: id,
                    revision,
                };
                Step::Announced(lease, event)
            }
            Done::Occupied { revision } => Step::Over(Event::Occupied { revision }),
            Done::Withdrawn { deleted } => {
                if deleted {
                    self.written = true;
                    self.taken_over = None;
                    let key = &self.announcement.key;
                    info!(event = "deregistered", key, "deregistered");
                }
                Step::Over(Event::Withdrawn)
            }
        }
    }

    /// Etcd said no.
    pub(super) fn turned_down(&mut self, error: &EtcdError) {
        let reason = error.to_string();
        if self.turned_down.as_ref() != Some(&reason) {
            warn!(
                event = "write_rejected",
                key = self.announcement.key,
                "{reason}; trying again until it is taken"
            );
            self.turned_down = Some(reason);
        }
    }

    /// A key that somebody overwrites again and again is talked of once.
    fn log_registered(&mut self, lease: LeaseId, taken_over: Option<TakenOver>) {
        let key = &self.announcement.key;
        let lease = format_args!("{lease:x}");
        let repeated = taken_over.is_some() && taken_over == self.taken_over;
        self.taken_over = taken_over;
        if repeated {
            debug!(event = "taken_over_again", key, %lease, "took the key over again");
            return;
        }
        match taken_over {
            Some(TakenOver::Foreign) if self.neighbour_before => warn!(
                event = "taken_over",
                key,
                "took over a key that held another value, for another port of this host; {KEY_OF_ITS_OWN}"
            ),
            Some(TakenOver::Foreign) => warn!(
                event = "taken_over",
                key, "took over a key that held another value"
            ),
            Some(TakenOver::Ours) => info!(
                event = "inherited",
                key, "took over the key of a previous incarnation"
            ),
            None => {}
        }
        info!(event = "registered", key, %lease, "registered");
    }
}

/// An id for a lease of ours.
pub fn fresh_lease(rng: &mut Rng) -> LeaseId {
    rng.i64(1..LeaseId::MAX)
}

/// Asks what the procedure says, call after call.
///
/// # Errors
/// [`EtcdError`]; then it may have happened, unless etcd said no: then a lease that was granted for
/// it was given back.
pub async fn carry_out<W: World>(
    connection: &Connection<W>,
    (mut procedure, mut call): (Procedure, Call),
    our_leases: &mut OurLeases,
) -> Result<Done, EtcdError> {
    loop {
        let answer = connection.ask(&call).await;
        note(&call, &answer);
        call = match procedure.on(answer, our_leases) {
            Next::Call(next) => next,
            Next::Over(Ended::Done(done)) => return Ok(done),
            Next::Over(Ended::Failed(error)) => return Err(error),
            Next::Over(Ended::Contended) => return Err(contended(connection)),
        }
    }
}

/// The connection works: another one would not help.
pub(super) fn contended<W: World>(connection: &Connection<W>) -> EtcdError {
    connection.error(Problem::Rejected, "the key kept changing")
}

fn note(call: &Call, answer: &Result<Answer, EtcdError>) {
    if let (Call::Revoke(id), Err(error)) = (call, answer) {
        debug!(
            event = "lease_not_revoked",
            lease = %format_args!("{id:x}"),
            %error,
            "lease not revoked"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::captured;

    const LEASE: LeaseId = 0x7a;

    /// What is said of one registration after the other: what each took over, and whether from an
    /// instance on this host.
    fn said(registrations: &[(Option<TakenOver>, bool)]) -> Vec<String> {
        let announcement = Announcement {
            key: "/a".to_owned(),
            value: "10.0.0.5:80".to_owned(),
            port: 80,
        };
        let mut holder = KeyHolder::new(announcement, Duration::from_secs(30), 1);
        captured::lines(|| {
            for (taken_over, neighbour) in registrations {
                holder.neighbour_before = *neighbour;
                holder.log_registered(LEASE, *taken_over);
            }
        })
    }

    const REGISTERED: &str = "INFO registered key=\"/a\" lease=7a";

    #[test]
    fn a_registration_is_said_and_what_it_took_over() {
        assert_eq!(said(&[(None, false)]), [REGISTERED]);
        assert_eq!(
            said(&[(Some(TakenOver::Ours), false)]),
            [
                "INFO took over the key of a previous incarnation key=\"/a\"",
                REGISTERED
            ]
        );
        assert_eq!(
            said(&[(Some(TakenOver::Foreign), false)]),
            [
                "WARN took over a key that held another value key=\"/a\"",
                REGISTERED
            ]
        );
    }

    #[test]
    fn another_instance_of_this_host_is_told_apart_with_what_to_do() {
        let said = said(&[(Some(TakenOver::Foreign), true)]);
        assert!(
            said[0].contains("for another port of this host"),
            "{said:?}"
        );
        assert!(said[0].contains(KEY_OF_ITS_OWN), "{said:?}");
    }

    #[test]
    fn who_takes_the_key_over_again_and_again_is_talked_of_once() {
        let again = (Some(TakenOver::Foreign), false);
        assert_eq!(said(&[again, again, again]).len(), 2);
        assert_eq!(said(&[(None, false), (None, false)]).len(), 2);
        assert_eq!(said(&[again, (None, false), again]).len(), 5);
    }
}
