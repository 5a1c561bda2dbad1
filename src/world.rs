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

use crate::etcd::api::{Dial, Link, Watch};
use crate::exit::{Exit, RunError};
use crate::probe::attempt::Attempt;

pub trait World: 'static {
    type Dial: Dial<Link = Self::Link> + Clone;
    type Link: Link<Watch = Self::Watch>;
    type Watch: Watch;
    type Backend: Backend;
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

    /// Whether to leave reloads out from now on. Not while a pass is under way.
    fn hold_reloads(&mut self, hold: bool);

    /// Brings these of `resources` in step with the snapshot, beside the loop.
    fn start(
        &mut self,
        resources: &Arc<Vec<Resource>>,
        due: Vec<usize>,
        snapshot: Snapshot,
    ) -> Self::Pass;

    /// Ends the pass under way, and every later one.
    fn cancel(&self);
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

/// What a pass was lent, and what came of it.
#[derive(Debug)]
pub struct Finished {
    pub snapshot: Snapshot,
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
