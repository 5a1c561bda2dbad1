//! What touches the world, as the loops see it. They are generic over it, so that the simulation runs
//! the loops themselves. Everything is in one thread: nothing needs to be `Send`.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use renderer::Loading;
use renderer::resource::Resource;
use renderer::snapshot::Snapshot;
use renderer::sync::Outcome;
use rustix::process::Signal;

use crate::agent::service::ServiceSettings;
use crate::etcd::api::{Dial, Link, Renewals, Watch};
use crate::exit::{Exit, RunError};
use crate::probe::attempt::Attempt;

pub trait World: 'static {
    type Dial: Dial<Link = Self::Link> + Clone;
    type Link: Link<Watch = Self::Watch, Renewals = Self::Renewals>;
    type Watch: Watch;
    type Renewals: Renewals;
    type Backend: Backend + Clone + PartialEq;
    type Source: Source<Self::Backend>;
    type Timer: Timer;
    type Manager: Manager;
    type Signals: Signals;
    type Files: Files;
    type Child: Child;
}

/// What an agent is there for.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Backend {
    /// Tries once. Dropping the future ends the attempt.
    async fn attempt(&self) -> Attempt;

    /// The most that an attempt has open at one time.
    fn descriptors(&self) -> usize;
}

/// Where the settings of the services are.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Source<B> {
    /// Whether they can be read again: SIGHUP asks for that then, and stops the agent otherwise.
    fn is_lasting(&self) -> bool;

    /// Reads them.
    ///
    /// # Errors
    /// All that is wrong with them, a line each.
    async fn read(&self) -> Result<Vec<ServiceSettings<B>>, String>;

    /// Waits until the services are others than they were, as an address of this host is: all of
    /// them. For ever where that cannot be.
    async fn changed(&self) -> Vec<ServiceSettings<B>> {
        std::future::pending().await
    }

    /// How many services are left out for want of an address.
    fn without_address(&self) -> usize {
        0
    }

    /// Whether the program that is installed by now takes them.
    ///
    /// # Errors
    /// Why it does not, a line each.
    async fn suit_the_installed(&self) -> Result<(), String>;
}

/// For the waits in which an agent spends its life.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Timer {
    /// Waits until `deadline`; for ever if there is none. Cancel-safe.
    async fn until(&self, deadline: Option<Instant>);
}

/// The service manager.
pub trait Manager {
    /// Whether there is no need to try again: it is told, or nobody is there.
    fn tell(&self, text: &str) -> bool;
}

/// Signals that are caught.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Signals {
    /// The next one's number. Cancel-safe.
    async fn next(&mut self) -> u8;
}

/// `conf.d`, and the files that are brought in step.
pub trait Files {
    type Pass: Pass;

    /// Reads `conf.d`. What was good `before` stays where it cannot be loaded now.
    fn load(&self, before: Option<&[Resource]>) -> Loading;

    /// Puts back what a killed process had replaced and not checked.
    fn recover(&self, resources: &[Resource]);

    /// Whether to leave reloads out from now on.
    fn hold_reloads(&mut self, hold: bool);

    /// Whether a new file is in place that may be put back still: the child had better not read it.
    fn are_judged(&self) -> bool;

    /// Brings these of `resources` in step with the snapshot, beside the loop and beside passes over
    /// other files.
    fn start(
        &mut self,
        resources: &Arc<Vec<Resource>>,
        due: Vec<usize>,
        snapshot: Arc<Snapshot>,
    ) -> Self::Pass;

    /// Ends the passes under way, but for reloads, and every later one.
    fn cancel(&self);

    /// Ends reloads, too.
    fn kill(&self);
}

/// A pass under way.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Pass {
    /// Waits for its end. Cancel-safe.
    ///
    /// # Errors
    /// When it broke down.
    async fn finished(&mut self) -> Result<Finished, RunError>;
}

/// What came of a pass.
#[derive(Debug)]
pub struct Finished {
    pub resources: Arc<Vec<Resource>>,
    /// The numbers of those of them that it was over.
    pub due: Vec<usize>,
    /// In the order of `due`.
    pub outcomes: Vec<Outcome>,
}

/// The program that uses the files.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Child {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be run.
    fn start(&mut self, command: &[String]) -> io::Result<()>;

    /// Whether it runs.
    fn is_running(&self) -> bool;

    /// Waits for its end; for ever if it does not run. Cancel-safe.
    async fn ended(&mut self) -> Exit;

    fn send(&self, signal: Signal);

    /// Kills it, and what it started.
    fn kill(&self);
}
