//! The proxy side: keeps configuration files in step with etcd.
//!
//! One loop owns the snapshot and the schedule. The follower of etcd and the wait for the child are
//! futures beside the loop's. A pass over the files blocks, so it goes on elsewhere, and has the
//! snapshot until it is over; etcd's news wait as long.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod catalog;
pub mod changes;
pub mod child;
pub mod confd;
pub mod data;
pub mod debounce;
mod failure_log;
mod following;
pub mod once;
pub mod pass;
pub mod schedule;
pub mod supervise;
mod tail;

use std::io;
use std::time::{Duration, Instant};

use fastrand::Rng;
use renderer::Str;
use renderer::descriptors::raise_limit;
use renderer::options::Options;
use renderer::snapshot::Snapshot;
use renderer::sync::{Outcome, SyncError, Synced};
use tokio::time::Interval;
use tracing::{info, warn};

use crate::config::{RenderConfig, Source};
use crate::deadline::{now, sleep_until_some, tick, ticks_later};
use crate::etcd::api::Change;
use crate::etcd::follow::Update;
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::os::notify::{self, Notifier, NotifySocket};
use crate::os::signal::{Caught, ProxySignal, ProxySignals};
use crate::world::{Files, Finished, Pass, World};
use catalog::Catalog;
use child::HostChild;
use failure_log::FailureLog;
use following::Following;
use pass::{HostFiles, failure};
use schedule::Schedule;
use supervise::{SuperviseConfig, Supervisor};
use tail::Tail;

/// What the proxy side is to do.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Bring all in step so often, besides watching.
    pub interval: Option<Duration>,
    pub debounce: debounce::DebounceSettings,
    pub options: Options,
    /// What uses the files, if we are to run it.
    pub child: Option<SuperviseConfig>,
    /// How often the service manager is told that the loop turns, if it wants to know.
    pub watchdog: Option<Duration>,
    /// For all that is random.
    pub seed: u64,
}

/// What the proxy side has to do with.
pub struct ProxySurroundings<W: World> {
    pub dial: W::Dial,
    pub files: W::Files,
    pub child: W::Child,
    pub manager: W::Manager,
    pub signals: W::Signals,
}

/// Keeps everything in step until a signal ends it.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn run(config: RenderConfig, signals: Caught) -> Result<Exit, RunError> {
    let etcd = match config.source {
        Source::Etcd(etcd) => etcd,
        Source::File(path) => {
            let reason = format!("--data {path:?}: nothing to follow in a file");
            return Err(RunError::new(Exit::Usage, reason));
        }
    };
    raise_limit();
    let surroundings = ProxySurroundings {
        dial: WireDial::new(etcd),
        files: HostFiles::new(&config.files)?,
        child: HostChild::default(),
        manager: NotifySocket::from_env(),
        signals,
    };
    let settings = ProxySettings {
        interval: config.interval,
        debounce: config.debounce,
        options: config.files.options,
        child: config.child,
        watchdog: notify::watchdog_period(),
        seed: host::seed(),
    };
    let tail = Tail::start(config.follow)?;
    let result = drive::<ThisHost>(settings, surroundings).await;
    if let Some(tail) = tail {
        tail.stop();
    }
    result
}

/// The proxy side, in whatever surroundings.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn drive<W: World>(
    settings: ProxySettings,
    surroundings: ProxySurroundings<W>,
) -> Result<Exit, RunError> {
    let mut signals = ProxySignals::new(surroundings.signals);
    let mut files = surroundings.files;
    let (catalog, faults) = Catalog::of(&settings.options, files.load(None));
    let mut rng = Rng::with_seed(settings.seed);
    let (dial, trees) = (surroundings.dial, catalog.trees());
    let following = Following::start::<W>(dial.clone(), trees, false, rng.u64(..));
    let supervisor = Supervisor::new(settings.child, surroundings.child);
    files.hold_reloads(supervisor.is_waiting());
    // Etcd may be away, and a daemon may read the files meanwhile.
    files.recover(&catalog.resources);
    let mut proxy = Proxy::<W> {
        schedule: Schedule::new(&catalog.groups(), settings.debounce, rng.u64(..)),
        catalog,
        snapshot: Some(Snapshot::default()),
        read: false,
        options: settings.options,
        debounce: settings.debounce,
        dial,
        files,
        following,
        poll: settings.interval.map(ticks_later),
        log: FailureLog::default(),
        ready: false,
        notifier: Notifier::new(surroundings.manager, settings.watchdog),
        supervisor,
        held_back: false,
        rng,
    };
    proxy.log.tell_faults(&faults);
    let result = proxy.drive(&mut signals).await;
    // Whatever made us end, the child does not outlive us.
    proxy.supervisor.stop();
    let child = proxy.supervisor.stopped(&mut signals).await;
    Ok(child.unwrap_or(result?))
}

struct Proxy<W: World> {
    catalog: Catalog,
    schedule: Schedule,
    /// None while a pass has it.
    snapshot: Option<Snapshot>,
    /// Whether the snapshot is what the resources read.
    read: bool,
    options: Options,
    debounce: debounce::DebounceSettings,
    dial: W::Dial,
    files: W::Files,
    following: Following,
    poll: Option<Interval>,
    log: FailureLog,
    ready: bool,
    notifier: Notifier<W::Manager>,
    supervisor: Supervisor<W::Child>,
    /// It was said that the child has to wait.
    held_back: bool,
    rng: Rng,
}

impl<W: World> Proxy<W> {
    async fn drive(&mut self, signals: &mut ProxySignals<W::Signals>) -> Result<Exit, RunError> {
        loop {
            if let Some(pass) = self.start_due() {
                if let Some(exit) = self.sit_out(pass, signals).await? {
                    return Ok(exit);
                }
                continue;
            }
            let deadline = self.schedule.deadline().filter(|_| self.read);
            // Losing the other branches loses nothing: all are cancel-safe.
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    ProxySignal::Stop => return Ok(self.stopping()),
                    ProxySignal::StopAtOnce(number) => return Ok(leaving_at_once(number)),
                    ProxySignal::Reload => {
                        info!(event = "conf_d_reloading", "reading conf.d afresh");
                        self.reload();
                    }
                    ProxySignal::Other(number) => self.supervisor.pass_on(number),
                },
                () = self.notifier.tick() => {}
                () = sleep_until_some(deadline) => {}
                exit = self.supervisor.ended() => return Ok(exit),
                update = self.following.next() => match update {
                    Some(Update::Read(snapshot)) => self.replace(snapshot),
                    Some(Update::Changed(changes)) => self.patch(changes),
                    Some(Update::Refused(error)) => return Err(error.into()),
                    // The follower ends before us only when it has told why.
                    None => return Ok(Exit::Store),
                },
                // Last: where a pass takes as long as the interval, it would come before all news.
                () = tick(&mut self.poll) => self.reload(),
            }
        }
    }

    fn start_due(&mut self) -> Option<<W::Files as Files>::Pass> {
        if !self.read {
            return None;
        }
        let due = self.schedule.due(now());
        let snapshot = self.snapshot.take_if(|_| !due.is_empty())?;
        Some(self.files.start(&self.catalog.resources, due, snapshot))
    }

    /// Waits for the pass; only signals, the child and the service manager are served meanwhile, and
    /// the follower until there is no room for its updates.
    async fn sit_out(
        &mut self,
        mut pass: impl Pass,
        signals: &mut ProxySignals<W::Signals>,
    ) -> Result<Option<Exit>, RunError> {
        let mut leave = None;
        let mut reload = false;
        let finished = loop {
            // Losing the other branches loses nothing: all are cancel-safe.
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    ProxySignal::StopAtOnce(number) => return Ok(Some(leaving_at_once(number))),
                    ProxySignal::Stop => {
                        let exit = self.stopping();
                        leave.get_or_insert(exit);
                        self.files.cancel();
                        self.supervisor.stop();
                    }
                    ProxySignal::Reload => {
                        info!(
                            event = "conf_d_reload_deferred",
                            "conf.d will be read again after this pass"
                        );
                        reload = true;
                    }
                    ProxySignal::Other(number) => self.supervisor.pass_on(number),
                },
                () = self.notifier.tick() => {}
                exit = self.supervisor.ended() => {
                    leave = Some(exit);
                    self.files.cancel();
                }
                finished = pass.finished() => break finished?,
                () = self.following.go_on() => {}
            }
        };
        let any_updated = self.take_back(finished);
        if leave.is_none() {
            self.tell_child(any_updated)?;
            if reload {
                self.reload();
            }
        }
        Ok(leave)
    }
    /// Whether any file was replaced.
    fn take_back(&mut self, finished: Finished) -> bool {
        let now = now();
        self.snapshot = Some(finished.snapshot);
        let updated = |outcome: &Outcome| matches!(outcome.result, Ok(Synced::Updated));
        let any_updated = finished.outcomes.iter().any(updated);
        for (number, outcome) in finished.due.into_iter().zip(finished.outcomes) {
            let resource = &self.catalog.resources[number];
            let failure = match outcome.result {
                Ok(_) => None,
                // Neither a success nor a failure: we are about to leave.
                Err(SyncError::Cancelled) => continue,
                Err(error) => Some(failure(&error, &resource.dest, self.options.dialect)),
            };
            self.schedule.done(number, failure.is_some(), now);
            self.log.tell(&resource.file, failure);
        }
        any_updated
    }

    /// After a pass: the child is started, or told of new files.
    fn tell_child(&mut self, any_updated: bool) -> io::Result<()> {
        if self.supervisor.is_waiting() {
            return self.start_child();
        }
        if any_updated {
            self.supervisor.reload();
        }
        if !std::mem::replace(&mut self.ready, true) {
            self.notifier.ready();
        }
        Ok(())
    }

    /// Starts the child, unless a file is not good yet.
    fn start_child(&mut self) -> io::Result<()> {
        if self.log.has_failures() {
            if !std::mem::replace(&mut self.held_back, true) {
                info!(
                    event = "command_held_back",
                    "the command is not started before all files are good"
                );
            }
            return Ok(());
        }
        self.supervisor.start()?;
        self.files.hold_reloads(false);
        self.ready = true;
        self.notifier.ready();
        Ok(())
    }

    /// Everything was read afresh: what has changed since the last time counts.
    fn replace(&mut self, new: Snapshot) {
        let now = now();
        let first = !std::mem::replace(&mut self.read, true);
        let changed = changes::replace(self.own_snapshot(), new);
        if first {
            self.schedule.all_changed(now);
        } else {
            self.mark(&changed, now);
        }
    }

    fn patch(&mut self, changes: Vec<Change>) {
        let changed = changes::patch(self.own_snapshot(), changes);
        self.mark(&changed, now());
    }

    #[expect(
        clippy::expect_used,
        reason = "it is lent to a pass only, and those are sat out"
    )]
    fn own_snapshot(&mut self) -> &mut Snapshot {
        self.snapshot.as_mut().expect("no pass is under way")
    }

    /// The resources that read these keys are to be brought in step.
    fn mark(&mut self, changed: &[Str], now: Instant) {
        for key in changed {
            for number in self.catalog.concerned_by(key) {
                self.schedule.changed(number, now);
            }
        }
    }

    fn stopping(&mut self) -> Exit {
        info!(event = "stopping", "stopping");
        self.notifier.stopping();
        Exit::Done
    }

    /// Reads `conf.d` afresh, and brings everything in step.
    fn reload(&mut self) {
        let loading = self.files.load(Some(&self.catalog.resources));
        let (catalog, faults) = Catalog::of(&self.options, loading);
        self.log.tell_faults(&faults);
        if catalog.trees() != self.catalog.trees() {
            let (dial, seed) = (self.dial.clone(), self.rng.u64(..));
            self.following = Following::start::<W>(dial, catalog.trees(), self.ready, seed);
            self.read = false;
        }
        if catalog.resources != self.catalog.resources {
            let seed = self.rng.u64(..);
            self.schedule = Schedule::new(&catalog.groups(), self.debounce, seed);
            self.log.keep_only(&catalog.resources);
            self.catalog = catalog;
        }
        self.schedule.all_changed(now());
    }
}

fn leaving_at_once(number: u8) -> Exit {
    warn!(event = "second_signal", "second signal: leaving at once");
    Exit::Signal(number)
}
