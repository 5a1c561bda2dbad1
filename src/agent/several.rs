//! `--once` and `deregister` for the services of a file: one connection, a line for each.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::timeout;

use super::once::{end, taken_out, told};
use crate::config::{Announcement, EtcdConfig, LocatedService, ServiceConfig, Unlocated};
use crate::control::live::{LiveAgents, Withdrawn};
use crate::etcd::error::EtcdError;
use crate::etcd::holder::{carry_out, fresh_lease};
use crate::etcd::our_leases::OurLeases;
use crate::etcd::procedure::{Done, Procedure};
use crate::etcd::reach::{self, CommandLimits, Connection};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::probe::attempt::Attempt;
use crate::registration::Claim;
use crate::world::{Backend, World};

/// How many services are probed, or dealt with in etcd, at a time.
const AT_ONCE: usize = 64;

/// Probes each that is not drained, then puts its key under a fresh TTL, or deletes it.
///
/// # Errors
/// When the results cannot be printed.
pub async fn once(
    etcd: EtcdConfig,
    services: Vec<LocatedService>,
    quiet: bool,
) -> Result<Exit, RunError> {
    let (services, unlocated) = divided(services);
    let attempts = stream::iter(&services).map(async |service| match service.drained {
        true => What::Drain,
        false => What::after(&service.checks.attempt().await, service.ttl),
    });
    let whats: Vec<_> = attempts.buffered(AT_ONCE).collect().await;
    let jobs = whats.into_iter().zip(services);
    let jobs = jobs.map(|(what, service)| Job::new(what, service));
    let unlocated = unlocated.map(|(name, why)| format!("{name}: {why}; not registered\n"));
    carry_out_all(etcd, jobs.collect(), unlocated.collect(), quiet).await
}

/// Removes the registration of each if it is for its address. `sockets`: of agents that may have them; none:
/// all that there are.
///
/// # Errors
/// When the results cannot be printed.
pub async fn deregister(
    etcd: EtcdConfig,
    services: Vec<LocatedService>,
    sockets: &[PathBuf],
    quiet: bool,
) -> Result<Exit, RunError> {
    let (services, unlocated) = divided(services);
    let timeouts = services.iter().map(|service| service.stop_timeout);
    let limit = timeouts.max().unwrap_or_default();
    let live = LiveAgents::look(sockets, limit / 4).await;
    let jobs = stream::iter(services).map(async |service| {
        let asked = live.withdraw(&service.announcement.key, limit / 2);
        let what = match asked.await {
            Withdrawn::By(agent) => What::TakenOut(agent),
            Withdrawn::Nobodys => What::Deregister,
        };
        Job::new(what, service)
    });
    let jobs: Vec<_> = jobs.buffered(AT_ONCE).collect().await;
    let unlocated = unlocated.map(|(name, why)| {
        format!("{name}: {why}; nothing is deregistered, a key expires with its TTL\n")
    });
    carry_out_all(etcd, jobs, unlocated.collect(), quiet).await
}

/// Those that can be dealt with, and the others.
fn divided(
    services: Vec<LocatedService>,
) -> (
    Vec<ServiceConfig>,
    impl Iterator<Item = (String, Unlocated)>,
) {
    let (located, unlocated): (Vec<_>, Vec<_>) = services.into_iter().partition(Result::is_ok);
    let located = located.into_iter().filter_map(Result::ok).collect();
    (located, unlocated.into_iter().filter_map(Result::err))
}

async fn carry_out_all(
    etcd: EtcdConfig,
    mut jobs: Vec<Job>,
    unlocated: Vec<String>,
    quiet: bool,
) -> Result<Exit, RunError> {
    let open = jobs.iter().filter(|job| job.is_open());
    if let Some(limit) = open.map(|job| job.limit).max() {
        let limits = CommandLimits::within(limit, etcd.endpoints.len());
        let dial = WireDial::new(etcd);
        let work = reach::once::<ThisHost, _>(dial, limits, host::seed(), async |connection| {
            one_round(connection, &mut jobs).await
        });
        if let Err(error) = work.await {
            for job in jobs.iter_mut().filter(|job| job.is_open()) {
                job.failure.get_or_insert_with(|| error.clone());
            }
        }
    }
    let exits = jobs.iter().map(Job::exit);
    let exits = exits.chain(unlocated.iter().map(|_| Exit::Failed));
    let exit = exits.max_by_key(|exit| gravity(*exit));
    let is_told = |job: &&Job| !quiet || job.exit() != Exit::Done;
    let lines = jobs.iter().filter(is_told).map(Job::line);
    let lines: String = lines.chain(unlocated).collect();
    end(exit.unwrap_or(Exit::Done), lines, false).await
}

/// Deals with all that are open. One that fails keeps none of the others, unless so many do that the
/// connection must be to blame.
async fn one_round<W: World>(
    connection: &Connection<W>,
    jobs: &mut [Job],
) -> Result<(), EtcdError> {
    let open = jobs.iter_mut().filter(|job| job.is_open());
    let work = stream::iter(open).map(|job| job.carry_out(connection));
    let mut work = work.buffer_unordered(AT_ONCE);
    let (mut failures, mut last) = (0, Ok(()));
    while let Some(done) = work.next().await {
        if done.is_err() {
            last = done;
            failures += 1;
            if failures == AT_ONCE {
                break;
            }
        }
    }
    last
}

/// Exit codes from the best to the worst.
fn gravity(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Store => 2,
        Exit::Failed | Exit::Usage | Exit::Child(_) | Exit::Signal(_) => 1,
    }
}

/// What is to be done for one service, and what came of it.
struct Job {
    announcement: Rc<Announcement>,
    what: What,
    /// Of its dealings with etcd, over one connection.
    limit: Duration,
    our_leases: OurLeases,
    tries: u32,
    done: Option<Done>,
    failure: Option<EtcdError>,
}

enum What {
    /// With what its backend answered, and this TTL.
    Put(String, Duration),
    /// As its backend failed in this way.
    Delete(String),
    Deregister,
    /// The running agent behind this socket has done it.
    TakenOut(PathBuf),
    /// It is not to be registered, whatever its health.
    Drain,
    /// As this host cannot probe, for this reason.
    Leave(String),
}

impl What {
    fn after(attempt: &Attempt, ttl: Duration) -> Self {
        let text = attempt.text();
        match &attempt.result {
            Ok(_) => Self::Put(text, ttl),
            Err(failure) if failure.is_own_hosts() => Self::Leave(text),
            Err(_) => Self::Delete(text),
        }
    }
}

impl Job {
    fn new(what: What, service: ServiceConfig) -> Self {
        Self {
            announcement: Rc::new(service.announcement),
            what,
            limit: service.stop_timeout,
            our_leases: OurLeases::default(),
            tries: 0,
            done: None,
            failure: None,
        }
    }

    /// Whether there is anything left to do that may succeed.
    fn is_open(&self) -> bool {
        let is_final = self.failure.as_ref().is_some_and(EtcdError::is_answer);
        let is_to_do = !matches!(self.what, What::Leave(_) | What::TakenOut(_));
        self.done.is_none() && !is_final && is_to_do
    }

    /// # Errors
    /// When another connection may do better.
    async fn carry_out<W: World>(&mut self, connection: &Connection<W>) -> Result<(), EtcdError> {
        self.tries += 1;
        let begun = match self.what {
            What::Put(_, ttl) => {
                let fresh = (fresh_lease(&mut Rng::new()), ttl);
                Procedure::announce(&self.announcement, fresh, true, &mut self.our_leases)
            }
            What::Delete(_)
            | What::Deregister
            | What::TakenOut(_)
            | What::Drain
            | What::Leave(_) => Procedure::withdraw(&self.announcement, Claim::Value),
        };
        let work = carry_out(connection, begun, &mut self.our_leases);
        let done = timeout(self.limit, work).await;
        match done.unwrap_or_else(|_| Err(EtcdError::silent(connection.endpoint(), self.limit))) {
            Ok(done) => {
                self.done = Some(done);
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error.clone());
                match error.is_answer() {
                    true => Ok(()),
                    false => Err(error),
                }
            }
        }
    }

    fn exit(&self) -> Exit {
        match (&self.done, &self.what) {
            (_, What::TakenOut(_)) => Exit::Done,
            (None, what) if !matches!(what, What::Leave(_)) => Exit::Store,
            (_, What::Put(..) | What::Deregister | What::Drain) => Exit::Done,
            (_, What::Delete(_) | What::Leave(_)) => Exit::Failed,
        }
    }

    fn line(&self) -> String {
        let key = &self.announcement.key;
        let done = self.outcome();
        match &self.what {
            What::Put(text, _) => format!("{key}: healthy ({text}); {done}\n"),
            What::Delete(text) => format!("{key}: unhealthy ({text}); {done}\n"),
            What::Deregister => format!("{key}: {done}\n"),
            What::TakenOut(agent) => format!("{key}: {}\n", taken_out(agent)),
            What::Drain => format!("{key}: drained; {done}\n"),
            What::Leave(text) => format!("{key}: this host cannot probe ({text}); left as it is\n"),
        }
    }

    fn outcome(&self) -> String {
        match (&self.done, &self.failure) {
            (Some(Done::Withdrawn { deleted: false }), _)
                if self.tries == 1 && matches!(self.what, What::Deregister) =>
            {
                "nothing of ours there".to_owned()
            }
            (Some(done), _) => told(done, self.tries),
            (None, Some(failure)) => format!("etcd could not be told: {failure}"),
            (None, None) => "etcd could not be told".to_owned(),
        }
    }
}
