//! The proxy side: keeps configuration files in step with etcd.
//!
//! One loop owns the snapshot and the schedule. The follower of etcd is a task that is ended and
//! awaited before this returns. A pass over the files blocks, so it has a thread, and the snapshot,
//! until it is over; etcd's news wait as long.

mod catalog;
pub mod changes;
pub mod data;
pub mod debounce;
mod failure_log;
pub mod once;
mod pass;
pub mod schedule;
pub mod supervise;
mod tail;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use renderer::Str;
use renderer::cancel::Cancel;
use renderer::descriptors::raise_limit;
use renderer::snapshot::Snapshot;
use renderer::sync::{Outcome, SyncError, Synced, Syncer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Interval;
use tracing::{info, warn};

use crate::config::{EtcdConfig, FileConfig, RenderConfig, Source};
use crate::deadline::{sleep_until_some, tick, ticks, ticks_later};
use crate::etcd::connection::Connector;
use crate::etcd::follow::{Change, Follower, Update};
use crate::exit::{Exit, RunError};
use crate::notify::{self, Notifier};
use crate::signal::{ProxySignal, ProxySignals};
use catalog::Catalog;
use failure_log::FailureLog;
use pass::{Finished, Pass, Work, failure};
use schedule::Schedule;
use supervise::Supervisor;
use tail::Tail;

/// Room for a few messages of the watch. When it is full etcd keeps what follows.
const UPDATES_DEPTH: usize = 16;

/// Keeps everything in step until a signal ends it.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn run(config: RenderConfig, mut signals: ProxySignals) -> Result<Exit, RunError> {
    let etcd = match config.source {
        Source::Etcd(etcd) => etcd,
        Source::File(path) => {
            let reason = format!("--data {path:?}: nothing to follow in a file");
            return Err(RunError::new(Exit::Usage, reason));
        }
    };
    raise_limit();
    let (catalog, faults) = Catalog::load(&config.files);
    let (following, updates) = follow(&etcd, &catalog, false);
    let mut proxy = Proxy {
        schedule: schedule_of(&catalog, config.debounce),
        catalog,
        work: Some(Work {
            syncer: Syncer::new(config.files.options.clone()),
            snapshot: Snapshot::default(),
        }),
        read: false,
        settings: config.files,
        debounce: config.debounce,
        etcd,
        following,
        updates,
        poll: config.interval.map(ticks_later),
        log: FailureLog::default(),
        ready: false,
        notifier: Notifier::from_env(),
        supervisor: Supervisor::new(config.child),
        held_back: false,
        cancel: Arc::new(Cancel::new()?),
    };
    if let Some(work) = &mut proxy.work {
        work.syncer.hold_reloads(proxy.supervisor.is_waiting());
        // Etcd may be away, and a daemon may read the files meanwhile.
        work.syncer.recover(&proxy.catalog.resources);
    }
    proxy.log.tell_faults(&faults);
    let tail = Tail::start(config.follow)?;
    let result = proxy.drive(&mut signals).await;
    // Whatever made us end, the child does not outlive us.
    proxy.supervisor.stop();
    let child = proxy.supervisor.stopped(&mut signals).await;
    stop(&mut proxy.following).await;
    if let Some(tail) = tail {
        tail.stop();
    }
    Ok(child.unwrap_or(result?))
}

struct Proxy {
    catalog: Catalog,
    schedule: Schedule,
    /// None while a pass has it.
    work: Option<Work>,
    /// Whether the snapshot is what the resources read.
    read: bool,
    settings: FileConfig,
    debounce: debounce::Settings,
    etcd: EtcdConfig,
    following: JoinHandle<()>,
    updates: mpsc::Receiver<Update>,
    poll: Option<Interval>,
    log: FailureLog,
    ready: bool,
    notifier: Notifier,
    supervisor: Supervisor,
    /// It was said that the child has to wait.
    held_back: bool,
    /// For the pass under way when we are to leave. Made at the start: later no file descriptor may
    /// be left.
    cancel: Arc<Cancel>,
}

impl Proxy {
    async fn drive(&mut self, signals: &mut ProxySignals) -> Result<Exit, RunError> {
        let mut watchdog = notify::watchdog_period().map(ticks);
        loop {
            if let Some(pass) = self.start_due() {
                if let Some(exit) = self.sit_out(pass, signals, &mut watchdog).await? {
                    return Ok(exit);
                }
                continue;
            }
            let deadline = self.schedule.deadline().filter(|_| self.read);
            // Losing the other branches loses nothing: `recv` is cancel-safe, the rest are timers.
            tokio::select! {
                update = self.updates.recv() => match update {
                    Some(Update::Read(snapshot)) => self.replace(snapshot),
                    Some(Update::Changed(changes)) => self.patch(changes),
                    Some(Update::Refused(error)) => return Err(error.into()),
                    // The follower ends before us only by breaking down.
                    None => return Ok(Exit::Store),
                },
                signal = signals.recv() => match signal {
                    ProxySignal::Stop => return Ok(self.stopping()),
                    ProxySignal::StopAtOnce(number) => return Ok(leaving_at_once(number)),
                    ProxySignal::Reload => {
                        info!("reading conf.d afresh");
                        self.reload().await;
                    }
                    ProxySignal::Other(number) => self.supervisor.pass_on(number),
                },
                exit = self.supervisor.ended() => return Ok(exit),
                () = tick(&mut self.poll) => self.reload().await,
                () = sleep_until_some(deadline) => {}
                () = tick(&mut watchdog) => self.notifier.watchdog(),
                () = sleep_until_some(self.notifier.deadline()) => self.notifier.send_unsent(),
            }
        }
    }

    fn start_due(&mut self) -> Option<Pass> {
        if !self.read {
            return None;
        }
        let due = self.schedule.due(Instant::now());
        let work = self.work.take_if(|_| !due.is_empty())?;
        Some(Pass::start(&self.catalog, due, work, &self.cancel))
    }

    /// Waits for the pass; only signals and the watchdog are served meanwhile.
    async fn sit_out(
        &mut self,
        mut pass: Pass,
        signals: &mut ProxySignals,
        watchdog: &mut Option<Interval>,
    ) -> Result<Option<Exit>, RunError> {
        let mut leave = None;
        let mut reload = false;
        let finished = loop {
            // Losing the other branches loses nothing: all are cancel-safe.
            tokio::select! {
                finished = pass.finished() => break finished?,
                signal = signals.recv() => match signal {
                    ProxySignal::StopAtOnce(number) => return Ok(Some(leaving_at_once(number))),
                    ProxySignal::Stop => {
                        let exit = self.stopping();
                        leave.get_or_insert(exit);
                        self.cancel.cancel();
                        self.supervisor.stop();
                    }
                    ProxySignal::Reload => {
                        info!("conf.d will be read again after this pass");
                        reload = true;
                    }
                    ProxySignal::Other(number) => self.supervisor.pass_on(number),
                },
                exit = self.supervisor.ended() => {
                    leave = Some(exit);
                    self.cancel.cancel();
                }
                () = tick(watchdog) => self.notifier.watchdog(),
                () = sleep_until_some(self.notifier.deadline()) => self.notifier.send_unsent(),
            }
        };
        let any_updated = self.take_back(finished);
        if leave.is_none() {
            self.tell_child(any_updated)?;
            if reload {
                self.reload().await;
            }
        }
        Ok(leave)
    }

    /// Whether any file was replaced.
    fn take_back(&mut self, finished: Finished) -> bool {
        let now = Instant::now();
        self.work = Some(finished.work);
        let updated = |outcome: &Outcome| matches!(outcome.result, Ok(Synced::Updated));
        let any_updated = finished.outcomes.iter().any(updated);
        for (number, outcome) in finished.due.into_iter().zip(finished.outcomes) {
            let resource = &self.catalog.resources[number];
            let failure = match outcome.result {
                Ok(_) => None,
                // Neither a success nor a failure: we are about to leave.
                Err(SyncError::Cancelled) => continue,
                Err(error) => Some(failure(
                    &error,
                    &resource.dest,
                    self.settings.options.dialect,
                )),
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
                info!("the command is not started before all files are good");
            }
            return Ok(());
        }
        self.supervisor.start()?;
        if let Some(work) = &mut self.work {
            work.syncer.hold_reloads(false);
        }
        self.ready = true;
        self.notifier.ready();
        Ok(())
    }

    /// Everything was read afresh: what has changed since the last time counts.
    fn replace(&mut self, new: Snapshot) {
        let now = Instant::now();
        let Some(work) = &mut self.work else { return };
        if !std::mem::replace(&mut self.read, true) {
            work.snapshot = new;
            self.schedule.all_changed(now);
            return;
        }
        let changed = changes::replace(&mut work.snapshot, new);
        self.mark(&changed, now);
    }

    fn patch(&mut self, changes: Vec<Change>) {
        let Some(work) = &mut self.work else { return };
        let changed = changes::patch(&mut work.snapshot, changes);
        self.mark(&changed, Instant::now());
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
        info!("stopping");
        self.notifier.stopping();
        Exit::Done
    }

    /// Reads `conf.d` afresh, and brings everything in step.
    async fn reload(&mut self) {
        let (catalog, faults) = self.catalog.load_again(&self.settings);
        self.log.tell_faults(&faults);
        if catalog.trees() != self.catalog.trees() {
            stop(&mut self.following).await;
            (self.following, self.updates) = follow(&self.etcd, &catalog, self.ready);
            self.read = false;
        }
        if catalog.resources != self.catalog.resources {
            self.schedule = schedule_of(&catalog, self.debounce);
            self.log.keep_only(&catalog.resources);
            self.catalog = catalog;
        }
        self.schedule.all_changed(Instant::now());
    }
}

fn schedule_of(catalog: &Catalog, debounce: debounce::Settings) -> Schedule {
    Schedule::new(&catalog.groups(), debounce, fastrand::u64(..))
}

/// Starts the task that follows what the resources read. Without a key there is nothing to follow:
/// then it tells just that.
fn follow(
    etcd: &EtcdConfig,
    catalog: &Catalog,
    let_in: bool,
) -> (JoinHandle<()>, mpsc::Receiver<Update>) {
    let (sender, updates) = mpsc::channel(UPDATES_DEPTH);
    let trees = catalog.trees();
    let task = if trees.is_empty() {
        tokio::spawn(async move {
            let _told = sender.send(Update::Read(Snapshot::default())).await;
            sender.closed().await;
        })
    } else {
        let connector = Connector::new(etcd.clone());
        tokio::spawn(Follower::new(connector, trees, let_in, sender).run())
    };
    (task, updates)
}

/// Whatever it is still waiting for, nobody wants the answer.
async fn stop(task: &mut JoinHandle<()>) {
    task.abort();
    let _ended = task.await;
}

fn leaving_at_once(number: u8) -> Exit {
    warn!("second signal: leaving at once");
    Exit::Signal(number)
}
