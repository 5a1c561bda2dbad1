//! The proxy side: keeps configuration files in step with etcd.
//!
//! One loop owns what is known of etcd, and the schedule. The follower of etcd, the passes over files
//! and the wait for the child are futures beside the loop's. A pass blocks, so it goes on elsewhere,
//! and is lent the snapshot; what changes meanwhile is changed in a copy.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod asked;
mod catalog;
pub mod child;
pub mod confd;
pub mod data;
pub mod debounce;
mod failure_log;
mod following;
pub mod helpers;
mod history;
mod in_order;
mod known;
pub mod once;
pub mod pass;
mod passes;
pub mod schedule;
pub mod supervise;
mod tail;
mod turns;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use renderer::Str;
use renderer::descriptors::raise_limit;
use renderer::options::{Dialect, Options};
use renderer::resource::Resource;
use renderer::sync::{Outcome, SyncError, Synced};
use tokio::time::Interval;
use tracing::{info, warn};

use crate::config::{RenderConfig, Source};
use crate::deadline::{now, sleep_until_some, tick, ticks_later};
use crate::etcd::follow::Update;
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::observe;
use crate::observe::ask::{self, Asks};
use crate::os::notify::{self, Notifier, NotifySocket};
use crate::os::signal::{Caught, ProxySignal, ProxySignals};
use crate::world::{Files, Finished, World};
use catalog::Catalog;
use child::HostChild;
use failure_log::FailureLog;
use following::Following;
use history::Histories;
use known::{Known, Standing};
use pass::{HostFiles, denied, failure};
use passes::Passes;
use schedule::Schedule;
use supervise::{SuperviseConfig, Supervisor};
use tail::Tail;
use turns::Turns;

/// Updates that are taken in before anything is begun: one revision may come in several, one for
/// each range at the most.
const UPDATES_AT_ONCE: usize = 1_024;

/// Former snapshots that passes may keep; as many render at one time.
const COPIES: usize = 4;

/// How soon to see whether passes have let theirs go.
const RENDERED_SOON: Duration = Duration::from_millis(20);

/// How soon to see whether files that were not judged are.
const JUDGED_SOON: Duration = Duration::from_millis(20);

/// What the proxy side is to do.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Bring all in step so often, besides watching.
    pub interval: Option<Duration>,
    pub debounce: debounce::DebounceSettings,
    pub options: Options,
    /// What uses the files, if we are to run it.
    pub child: Option<SuperviseConfig>,
    /// How long a reload may go on once we are to stop.
    pub kill_timeout: Duration,
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
    /// From outside.
    pub asks: Asks,
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
    let doors = observe::open(&config.observe)?;
    raise_limit();
    let (asker, asks) = ask::channel();
    let surroundings = ProxySurroundings {
        dial: WireDial::new(etcd),
        files: HostFiles::new(&config.files)?,
        child: HostChild::default(),
        manager: NotifySocket::from_env(),
        signals,
        asks,
    };
    let settings = ProxySettings {
        interval: config.interval,
        debounce: config.debounce,
        options: config.files.options,
        child: config.child,
        kill_timeout: config.kill_timeout,
        watchdog: notify::watchdog_period(),
        seed: host::seed(),
    };
    let tail = Tail::start(config.follow)?;
    let serving = doors.serve(asker)?;
    let result = drive::<ThisHost>(settings, surroundings).await;
    drop(serving);
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
    let following = Following::start::<W>(surroundings.dial, catalog.trees(), rng.u64(..));
    let supervisor = Supervisor::new(settings.child, surroundings.child);
    files.hold_reloads(supervisor.is_waiting());
    let polls_as_confd = settings.options.dialect == Dialect::Confd && settings.interval.is_some();
    // Etcd may be away, and a daemon may read the files meanwhile.
    files.recover(&catalog.resources);
    let mut proxy = Proxy::<W> {
        schedule: schedule(&catalog, settings.debounce, rng.u64(..)),
        awaited: catalog.files(),
        catalog,
        known: Known::default(),
        told: false,
        options: settings.options,
        debounce: settings.debounce,
        files,
        turns: Turns::new(polls_as_confd),
        passes: Passes::default(),
        following,
        poll: settings.interval.map(ticks_later),
        log: FailureLog::default(),
        histories: Histories::default(),
        began_at: now(),
        changed_at: None,
        ready: false,
        is_stopping: false,
        notifier: Notifier::new(surroundings.manager, settings.watchdog),
        supervisor,
        held_back: false,
        reload_child_at: None,
        kill_timeout: settings.kill_timeout,
        rng,
    };
    proxy.log.tell_faults(&faults);
    let mut asks = surroundings.asks;
    let ended = proxy.drive(&mut signals, &mut asks).await;
    // Whatever made us end, the child does not outlive us.
    proxy.supervisor.stop();
    let exit = match ended {
        Ok(exit) if signals.are_impatient() => Ok(exit),
        ended => proxy.finish(&mut signals, &mut asks, ended).await,
    };
    let child = proxy.supervisor.stopped(&mut signals).await;
    Ok(child.unwrap_or(exit?))
}

struct Proxy<W: World> {
    catalog: Catalog,
    schedule: Schedule,
    known: Known,
    /// Anything was told of etcd.
    told: bool,
    options: Options,
    debounce: debounce::DebounceSettings,
    files: W::Files,
    /// Groups that are due and have yet to begin.
    turns: Turns,
    passes: Passes,
    following: Following,
    poll: Option<Interval>,
    log: FailureLog,
    histories: Histories,
    began_at: Instant,
    /// When a key last changed that anything reads.
    changed_at: Option<Instant>,
    /// The files of resources of which nothing has become yet.
    awaited: BTreeSet<PathBuf>,
    ready: bool,
    is_stopping: bool,
    notifier: Notifier<W::Manager>,
    supervisor: Supervisor<W::Child>,
    /// It was said that the child has to wait.
    held_back: bool,
    /// When to tell the child of new files, or to see whether it can be.
    reload_child_at: Option<Instant>,
    kill_timeout: Duration,
    rng: Rng,
}

impl<W: World> Proxy<W> {
    async fn drive(
        &mut self,
        signals: &mut ProxySignals<W::Signals>,
        asks: &mut Asks,
    ) -> Result<Exit, RunError> {
        loop {
            if let Some(ended) = self.take_in_ready() {
                return ended;
            }
            self.start_due();
            self.settle()?;
            self.reload_child();
            let deadline = self.deadline();
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
                ask = ask::next(asks) => self.asked(ask),
                () = sleep_until_some(deadline) => {}
                exit = self.supervisor.ended() => return Ok(exit),
                () = sleep_until_some(self.reload_child_at) => {}
                finished = self.passes.next() => {
                    if self.take_back(&finished?) && !self.supervisor.is_waiting() {
                        self.reload_child_at = Some(now());
                    }
                }
                update = self.following.next() => if let Some(ended) = self.take_in(update) {
                    return ended;
                },
                // Last: where a pass takes as long as the interval, it would come before all news.
                () = tick(&mut self.poll) => self.reload(),
            }
        }
    }

    /// What is told of etcd already: one revision may come in several messages, and no pass is to see
    /// a part of it.
    fn take_in_ready(&mut self) -> Option<Result<Exit, RunError>> {
        for _ in 0..UPDATES_AT_ONCE {
            let update = self.following.next_ready()?;
            if let Some(ended) = self.take_in(update) {
                return Some(ended);
            }
        }
        None
    }

    /// How we end, if we do.
    fn take_in(&mut self, update: Option<Update>) -> Option<Result<Exit, RunError>> {
        match update {
            Some(Update::Read(fresh)) => {
                let changed = self.known.take_in(fresh);
                self.told = true;
                self.mark(&changed);
                self.note_standings();
            }
            Some(Update::Changed(changes)) => {
                let changed = self.known.patch(changes);
                self.mark(&changed);
            }
            Some(Update::Refused(error)) => return Some(Err(error.into())),
            // The follower ends before us only when it has told why.
            None => return Some(Ok(Exit::Store)),
        }
        None
    }

    /// The resources that read these keys are to be brought in step.
    fn mark(&mut self, changed: &[Str]) {
        let now = now();
        if !changed.is_empty() {
            self.changed_at = Some(now);
        }
        for key in changed {
            for number in self.catalog.concerned_by(key) {
                self.schedule.changed(number, now);
            }
        }
    }

    /// Which resources can be brought in step, and which never will as things are.
    fn note_standings(&mut self) {
        let now = now();
        for (number, (resource, trees)) in self.catalog.iter().enumerate() {
            let standing = self.known.standing(trees);
            let is_known = standing == Standing::Known;
            self.schedule.set_ready(number, is_known, now);
            if let Standing::Denied(tree) = standing {
                let failure = denied(&tree, &resource.dest, self.options.dialect);
                self.log.tell(&resource.file, Some(failure));
                self.histories.denied(resource, now);
                self.awaited.remove(&resource.file);
            }
        }
    }

    /// How many passes may be begun: none while the child waits for the last of them to end, or many
    /// have yet to render what they were lent.
    fn room(&mut self) -> usize {
        let starts = self.is_settled() && self.supervisor.is_waiting() && !self.log.has_failures();
        if starts || self.known.copies() >= COPIES {
            return 0;
        }
        self.passes.room().saturating_sub(self.turns.len())
    }

    /// When to look for passes to begin. Where there is no room, the end of one comes before.
    fn deadline(&mut self) -> Option<Instant> {
        let due = self.due_deadline();
        due.into_iter().chain(self.turns.deadline()).min()
    }

    fn due_deadline(&mut self) -> Option<Instant> {
        let deadline = self.schedule.deadline()?;
        if self.known.copies() >= COPIES {
            return Some(deadline.max(now() + RENDERED_SOON));
        }
        (self.room() > 0).then_some(deadline)
    }

    /// Whether something has become of everything.
    fn is_settled(&self) -> bool {
        self.told && self.awaited.is_empty()
    }

    fn start_due(&mut self) {
        let room = self.room();
        let due = self.schedule.due(room, now());
        self.turns.line_up(due);
        while let Some(due) = self.turns.next(self.passes.is_last_over(), now()) {
            let resources = &self.catalog.resources;
            let snapshot = self.known.lend();
            let pass = self.files.start(resources, due.clone(), snapshot);
            self.passes.begin(pass, resources, &due);
        }
    }

    /// A pass is over. Whether any file was replaced.
    fn take_back(&mut self, finished: &Finished) -> bool {
        for (due, outcome) in finished.due.iter().zip(&finished.outcomes) {
            let resource = &finished.resources[*due];
            if outcome.steps.reload.is_some() {
                self.note_reload(resource);
            }
            let number = if Arc::ptr_eq(&finished.resources, &self.catalog.resources) {
                Some(*due)
            } else {
                self.catalog.number_of(resource)
            };
            // One that is another by now, or none any more, is none of what this is about.
            if let Some(number) = number {
                self.note(number, resource, outcome);
            }
        }
        self.note_at_work();
        let updated = |outcome: &Outcome| matches!(outcome.result, Ok(Synced::Updated));
        finished.outcomes.iter().any(updated)
    }

    /// Also of one that is another by now.
    fn note_reload(&mut self, resource: &Resource) {
        let mut resources = self.catalog.resources.iter();
        if let Some(number) = resources.position(|other| other.file == resource.file) {
            self.schedule.reloaded(number, now());
            self.histories.note_reload(resource, now());
        }
    }

    /// What became of a resource.
    fn note(&mut self, number: usize, resource: &Resource, outcome: &Outcome) {
        let failure = match &outcome.result {
            Ok(_) => None,
            // Neither a success nor a failure: we are about to leave.
            Err(SyncError::Cancelled) => return,
            Err(error) => Some(failure(error, &resource.dest, self.options.dialect)),
        };
        self.awaited.remove(&resource.file);
        self.histories.note(resource, outcome, now());
        self.schedule.done(number, failure.is_some(), now());
        // One of which something may not be read by now fails of that.
        let standing = self.known.standing(self.catalog.trees_of(number));
        if !matches!(standing, Standing::Denied(_)) {
            self.log.tell(&resource.file, failure);
        }
    }

    /// Which groups a pass is over.
    fn note_at_work(&mut self) {
        let mut at_work = self.passes.resources_at_work(&self.catalog.resources);
        at_work.extend(self.turns.waiting());
        self.schedule.set_at_work(&at_work);
    }

    /// Once something has become of everything: the child is started, or the first time is over.
    fn settle(&mut self) -> io::Result<()> {
        if !self.is_settled() {
            return Ok(());
        }
        if self.supervisor.is_waiting() {
            return match self.passes.is_empty() {
                true => self.start_child(),
                false => Ok(()),
            };
        }
        if !std::mem::replace(&mut self.ready, true) {
            self.notifier.ready();
        }
        Ok(())
    }

    /// Tells the child of new files, once it would read none that is not judged yet.
    fn reload_child(&mut self) {
        if self.reload_child_at.is_none() {
            return;
        }
        if self.files.are_judged() {
            self.reload_child_at = Some(now() + JUDGED_SOON);
            return;
        }
        self.reload_child_at = None;
        self.supervisor.reload();
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

    fn stopping(&mut self) -> Exit {
        info!(event = "stopping", "stopping");
        self.is_stopping = true;
        self.notifier.stopping();
        Exit::Done
    }

    /// Reads `conf.d` afresh, and brings everything in step.
    fn reload(&mut self) {
        let loading = self.files.load(Some(&self.catalog.resources));
        let (catalog, faults) = Catalog::of(&self.options, loading);
        self.log.tell_faults(&faults);
        if catalog.resources != self.catalog.resources {
            self.adopt(catalog);
        }
        // What may not be read is tried again, be it the same.
        self.following.follow(self.catalog.trees());
        self.schedule.all_changed(now());
    }

    fn adopt(&mut self, catalog: Catalog) {
        let seed = self.rng.u64(..);
        self.schedule = schedule(&catalog, self.debounce, seed);
        self.log.keep_only(&catalog.resources);
        self.histories.keep_only(&catalog.resources);
        let before = &self.catalog.resources;
        let is_awaited = |resource: &&Resource| {
            self.awaited.contains(&resource.file) || !before.contains(resource)
        };
        let awaited = catalog.resources.iter().filter(is_awaited);
        self.awaited = awaited.map(|resource| resource.file.clone()).collect();
        self.catalog = catalog;
        self.turns.clear();
        self.note_reloads();
        self.note_at_work();
        self.note_standings();
    }

    /// When what there is now was last reloaded.
    fn note_reloads(&mut self) {
        for (number, resource) in self.catalog.resources.iter().enumerate() {
            if let Some(ended_at) = self.histories.reloaded_at(resource) {
                self.schedule.reloaded(number, ended_at);
            }
        }
    }

    /// Leaves, as `ended` says: passes under way end, but a reload may go on for a while.
    async fn finish(
        &mut self,
        signals: &mut ProxySignals<W::Signals>,
        asks: &mut Asks,
        ended: Result<Exit, RunError>,
    ) -> Result<Exit, RunError> {
        self.files.cancel();
        let mut kill_at = Some(now() + self.kill_timeout);
        let mut child = None;
        while !self.passes.is_empty() {
            // Losing the other branches loses nothing: all are cancel-safe.
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    ProxySignal::StopAtOnce(number) => return Ok(leaving_at_once(number)),
                    ProxySignal::Stop => _ = self.stopping(),
                    ProxySignal::Reload => {}
                    ProxySignal::Other(number) => self.supervisor.pass_on(number),
                },
                () = self.notifier.tick() => {}
                ask = ask::next(asks) => self.asked(ask),
                () = sleep_until_some(kill_at) => {
                    kill_at = None;
                    self.files.kill();
                }
                exit = self.supervisor.ended() => child = Some(exit),
                finished = self.passes.next() => {
                    let _any_updated = self.take_back(&finished?);
                }
            }
        }
        child.map_or(ended, Ok)
    }
}

/// None of the resources is ready yet.
fn schedule(catalog: &Catalog, usual: debounce::DebounceSettings, seed: u64) -> Schedule {
    Schedule::new(&catalog.groups(), &catalog.paces(usual), seed)
}

fn leaving_at_once(number: u8) -> Exit {
    warn!(event = "second_signal", "second signal: leaving at once");
    Exit::Signal(number)
}
