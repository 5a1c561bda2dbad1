//! Our key over a connection: puts it, keeps its lease alive, takes it away.

use std::time::Duration;

use fastrand::Rng;
use tracing::{debug, info, warn};

use super::announcement::{Announcement, KEY_OF_ITS_OWN};
use super::api::Call;
use super::error::{EtcdError, Problem};
use super::lease::Lease;
use super::our_leases::OurLeases;
use super::procedure::{Done, Ended, Next, Procedure, TakenOver};
use super::reach::Connection;
use crate::deadline::now;
use crate::registration::{Event, LeaseId, Request};
use crate::world::World;

pub(super) struct KeyHolder {
    announcement: Announcement,
    /// As asked for.
    ttl: Duration,
    our_leases: OurLeases,
    lease: Option<Lease>,
    written: bool,
    /// What the last announcement took over.
    taken_over: Option<TakenOver>,
    rng: Rng,
}

impl KeyHolder {
    pub(super) fn new(announcement: Announcement, ttl: Duration, seed: u64) -> Self {
        Self {
            announcement,
            ttl,
            our_leases: OurLeases::default(),
            lease: None,
            written: false,
            taken_over: None,
            rng: Rng::with_seed(seed),
        }
    }

    pub(super) fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// The lease that is kept alive, as etcd last confirmed it.
    pub(super) fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// Whether etcd ever took a write of ours.
    pub(super) fn has_written(&self) -> bool {
        self.written
    }

    /// Nobody counts on the lease any more.
    pub(super) fn let_go(&mut self) {
        self.lease = None;
    }

    /// Gives the lease up if it could not be renewed for its whole TTL.
    pub(super) fn expire(&mut self) -> Option<LeaseId> {
        let lease = self.lease.take_if(|lease| now() >= lease.expires_at())?;
        warn!(
            event = "lease_expired",
            "the lease could not be renewed for its whole TTL: taken for gone"
        );
        Some(lease.id)
    }

    /// Carries a request out: the event that answers it. From here on the lease is not kept alive,
    /// whatever comes of it.
    ///
    /// # Errors
    /// [`EtcdError`]; then it may have happened, unless etcd said no.
    pub(super) async fn perform<W: World>(
        &mut self,
        connection: &Connection<W>,
        request: Request,
        neighbour: bool,
    ) -> Result<Event, EtcdError> {
        self.lease = None;
        let begun = match request {
            Request::Announce { take_over } => {
                let fresh = (fresh_lease(&mut self.rng), self.ttl);
                Procedure::announce(&self.announcement, fresh, take_over, &mut self.our_leases)
            }
            Request::Withdraw(claim) => Procedure::withdraw(&self.announcement, claim),
        };
        let done = carry_out(connection, begun, &mut self.our_leases).await?;
        Ok(match done {
            Done::Put {
                lease,
                revision,
                taken_over,
            } => {
                self.written = true;
                self.log_registered(lease.id, taken_over, neighbour);
                self.lease = Some(lease);
                let lease = lease.id;
                Event::Announced { lease, revision }
            }
            Done::Occupied { revision } => Event::Occupied { revision },
            Done::Withdrawn { deleted } => {
                if deleted {
                    self.written = true;
                    self.taken_over = None;
                    info!(
                        event = "deregistered",
                        key = self.announcement.key,
                        "deregistered"
                    );
                }
                Event::Withdrawn
            }
        })
    }

    /// Renews the lease, if there is one. Its id if etcd does not know it any more.
    ///
    /// # Errors
    /// [`EtcdError`]
    pub(super) async fn keep_alive<W: World>(
        &mut self,
        connection: &Connection<W>,
    ) -> Result<Option<LeaseId>, EtcdError> {
        let Some(mut lease) = self.lease else {
            return Ok(None);
        };
        let sent_at = now();
        match connection.renew(lease).await? {
            Some(ttl) => {
                lease.renewed(ttl, sent_at);
                self.lease = Some(lease);
                Ok(None)
            }
            None => {
                warn!(
                    event = "lease_lost",
                    lease = %format_args!("{:x}", lease.id),
                    "etcd has lost the lease"
                );
                self.lease = None;
                Ok(Some(lease.id))
            }
        }
    }

    /// A key that somebody overwrites again and again is talked of once.
    fn log_registered(&mut self, lease: LeaseId, taken_over: Option<TakenOver>, neighbour: bool) {
        let key = &self.announcement.key;
        let lease = format_args!("{lease:x}");
        let repeated = taken_over.is_some() && taken_over == self.taken_over;
        self.taken_over = taken_over;
        if repeated {
            debug!(event = "taken_over_again", key, %lease, "took the key over again");
            return;
        }
        match taken_over {
            Some(TakenOver::Foreign) if neighbour => warn!(
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
    (mut procedure, mut call): (Procedure<'_>, Call<'_>),
    our_leases: &mut OurLeases,
) -> Result<Done, EtcdError> {
    loop {
        let answer = connection.ask(&call).await;
        if let (Call::Revoke(id), Err(error)) = (&call, &answer) {
            debug!(
                event = "lease_not_revoked",
                lease = %format_args!("{id:x}"),
                %error,
                "lease not revoked"
            );
        }
        call = match procedure.on(answer, our_leases) {
            Next::Call(next) => next,
            Next::Over(Ended::Done(done)) => return Ok(done),
            Next::Over(Ended::Failed(error)) => return Err(error),
            // The connection works: another one would not help.
            Next::Over(Ended::Contended) => {
                return Err(connection.error(Problem::Rejected, "the key kept changing"));
            }
        }
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
                holder.log_registered(LEASE, *taken_over, *neighbour);
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
