//! The files, the daemon that reads them, and how `src/renderer/sync/` carries a transaction out on
//! them, `recover.rs`, `owed.rs` and `backup.rs` included. What decides is the product's
//! `Transaction`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use renderer::snapshot::Snapshot;
use renderer::sync::{Outcome, Step, Steps, SyncError, Synced};
use renderer::transaction::{Check, Conclusion, Found, Task, TaskResult, Transaction};

use crate::clock::Time;
use crate::etcd::Keys;
use crate::keys::{self, ALL, Trees};
use crate::model::Model;

/// The first reads one tree, the second the other, and the third both, or as the first.
pub const RESOURCES: usize = 3;

/// A command that hangs is ended after so long.
pub const HANGS: Time = 40_000;

/// A value that makes a file bad.
pub const BAD: u8 = 13;

/// What a file holds: a byte for each key.
pub type Contents = u32;

/// As no template makes it.
const MEDDLED: Contents = 0x6363_6363;

/// Half written.
const GARBAGE: Contents = Contents::MAX;

pub fn is_good(contents: Contents) -> bool {
    contents != GARBAGE && contents.to_le_bytes().iter().all(|byte| *byte != BAD)
}

/// What a template makes of the keys of these trees.
pub fn rendered(snapshot: &Snapshot, trees: Trees) -> Contents {
    let mut bytes = [0; 4];
    for (name, value) in &snapshot.entries {
        if let (Some(key), Some(value)) = (keys::of_name(name), value.first())
            && trees[keys::tree(key)]
        {
            bytes[key] = *value;
        }
    }
    Contents::from_le_bytes(bytes)
}

/// The same of keys as etcd has them.
pub fn rendered_keys(keys: &Keys, trees: Trees) -> Contents {
    let mut bytes = [0; 4];
    for (key, kv) in keys.iter().enumerate() {
        if let Some(kv) = kv.filter(|_| trees[keys::tree(key)]) {
            bytes[key] = kv.value;
        }
    }
    Contents::from_le_bytes(bytes)
}

#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Fails,
    /// The next command runs into its time limit.
    Hangs,
    /// The process is killed just before it is done.
    KilledBefore,
    /// Just after.
    KilledAfter,
}

/// How long reloads take is no matter.
const RELOADED: Step = Step {
    took: std::time::Duration::ZERO,
    succeeded: true,
};

/// How files are checked and reloaded.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    pub checks: [Check; RESOURCES],
    /// Those of one number share a reload.
    pub reloads: [u8; RESOURCES],
    /// From the end of a reload to the next pass.
    pub reload_interval: Option<Time>,
    /// The third reads everything below `/`.
    pub wide: bool,
    /// A program uses the files, and we are to run it.
    pub child: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct File {
    pub dest: Option<Contents>,
    /// What is kept while the new file is not judged.
    previous: Option<Option<Contents>>,
    pub owed: bool,
    /// What the daemon read last.
    pub loaded: Option<Contents>,
}

pub struct Disk {
    pub files: [File; RESOURCES],
    kinds: Kinds,
    /// Reloads fail.
    pub broken: bool,
    /// When something of each last failed, or will.
    pub troubled_at: [Time; RESOURCES],
    /// In `conf.d` each resource reads the other's tree.
    pub other_keys: bool,
    /// When this process's last reload ended of those with each number.
    reloaded_at: [Option<Time>; RESOURCES],
    usual_pace: Time,
    /// What one action takes.
    pub pace: Time,
    /// Reloads are left out.
    pub hold: bool,
    /// A pass is over it.
    pub at_work: [bool; RESOURCES],
    /// This process has begun a pass.
    pub begun: bool,
    /// Since when passes are to end.
    pub cancelled_at: Option<Time>,
    /// Reloads are to end, too.
    pub killed: bool,
    /// Passes that wait for a command to end.
    pub waiting: Vec<Waker>,
    /// Commands that hung before do so no more.
    pub healed_at: Time,
    /// The child runs.
    pub child_runs: bool,
    /// When it was told to end.
    pub child_told_at: Option<Time>,
    /// Since when a signal for it was not passed on.
    pub unpassed_since: Option<Time>,
    /// When it ends, having been told to.
    pub child_ends_at: Option<Time>,
    /// It does not end when it is told to.
    pub stubborn: bool,
    /// What came of each file last was a failure.
    failed: [bool; RESOURCES],
    fates: Vec<(usize, Fate)>,
}

impl Disk {
    pub fn new(kinds: Kinds, pace: Time) -> Self {
        Self {
            files: [File::default(); RESOURCES],
            kinds,
            broken: false,
            troubled_at: [0; RESOURCES],
            other_keys: false,
            reloaded_at: [None; RESOURCES],
            usual_pace: pace,
            pace,
            hold: false,
            at_work: [false; RESOURCES],
            begun: false,
            cancelled_at: None,
            killed: false,
            waiting: Vec::new(),
            healed_at: 0,
            child_runs: false,
            child_told_at: None,
            unpassed_since: None,
            child_ends_at: None,
            stubborn: false,
            failed: [false; RESOURCES],
            fates: Vec::new(),
        }
    }

    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Nothing of the process is left, nor of its child.
    pub fn process_is_gone(&mut self) {
        self.at_work = [false; RESOURCES];
        self.begun = false;
        self.reloaded_at = [None; RESOURCES];
        self.cancelled_at = None;
        self.killed = false;
        self.waiting.clear();
        self.hold = false;
        self.child_is_gone();
    }

    fn reload_ended(&mut self, resource: usize, now: Time) {
        self.reloaded_at[usize::from(self.kinds.reloads[resource])] = Some(now);
    }

    /// Whether the resource's last reload ended long enough ago.
    fn may_pass(&self, resource: usize, now: Time) -> bool {
        let interval = self.kinds.reload_interval.unwrap_or_default();
        let ended_at = self.reloaded_at[usize::from(self.kinds.reloads[resource])];
        ended_at.is_none_or(|ended_at| now >= ended_at + interval)
    }

    pub fn child_is_gone(&mut self) {
        self.child_runs = false;
        self.child_told_at = None;
        self.unpassed_since = None;
        self.child_ends_at = None;
    }

    /// The daemon, or the child, reads all that there is.
    pub fn load(&mut self) {
        for file in &mut self.files {
            file.loaded = file.dest;
        }
    }

    pub fn destine(&mut self, after: usize, fate: Fate) {
        self.fates.push((after, fate));
    }

    pub fn heal(&mut self, now: Time) {
        self.healed_at = now;
        self.wake();
        self.broken = false;
        self.stubborn = false;
        self.pace = self.usual_pace;
        self.fates.clear();
    }

    /// The trees that `conf.d` has the resource read.
    pub fn trees_of(&self, resource: usize) -> Trees {
        match (resource, self.other_keys) {
            (2, _) if self.kinds.wide => ALL,
            (1, false) | (0 | 2, true) => keys::only(1),
            _ => keys::only(0),
        }
    }

    /// Ends passes, and later reloads.
    pub fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Something of these failed, or will then.
    fn trouble(&mut self, resources: &[usize], at: Time) {
        for resource in resources {
            self.troubled_at[*resource] = self.troubled_at[*resource].max(at);
        }
    }

    /// Those that share a reload or a check with it.
    pub fn group_of(&self, resource: usize) -> impl Iterator<Item = usize> {
        let Kinds {
            checks, reloads, ..
        } = self.kinds;
        let shares = move |one: usize, other: usize| {
            let same_check =
                checks[one] == checks[other] && matches!(checks[one], Check::Swapped(_));
            reloads[one] == reloads[other] || same_check
        };
        let through = move |one, other| {
            shares(one, other)
                || (0..RESOURCES).any(|third| shares(one, third) && shares(third, other))
        };
        (0..RESOURCES).filter(move |other| through(resource, *other))
    }

    pub fn has_failures(&self) -> bool {
        self.failed.contains(&true)
    }

    pub fn is_checked(&self, resource: usize) -> bool {
        self.kinds.checks[resource] != Check::Never
    }

    /// Whether nothing of a transaction is left.
    pub fn is_tidy(&self, resource: usize) -> bool {
        self.files[resource].previous.is_none()
    }

    /// Somebody else writes into the file, and has it read. Not while a transaction is at it.
    pub fn meddle(&mut self, resource: usize) -> bool {
        let file = &mut self.files[resource];
        let free = !self.at_work[resource] && !file.owed && file.previous.is_none();
        if free {
            file.dest = Some(MEDDLED);
            file.loaded = file.dest;
        }
        free
    }

    /// `recover::put_back`.
    pub fn put_back(&mut self, resource: usize) {
        let file = &mut self.files[resource];
        if let Some(previous) = file.previous.take() {
            file.dest = previous;
        }
    }

    fn fate(&mut self, is_command: bool) -> Option<Fate> {
        let mut fate = None;
        self.fates.retain_mut(|(after, next)| {
            let fits = is_command || !matches!(next, Fate::Hangs);
            if *after == 0 && fate.is_none() && fits {
                fate = Some(*next);
                return false;
            }
            *after = after.saturating_sub(1);
            true
        });
        fate
    }
}

/// The process was killed.
pub struct Killed;

/// A pass under way: one action at a time.
pub struct Pass {
    snapshot: Arc<Snapshot>,
    pub due: Vec<usize>,
    /// That each resource reads.
    trees: Vec<Trees>,
    outcomes: Vec<(usize, Outcome)>,
    groups: VecDeque<Vec<usize>>,
    group: Option<Group>,
}

struct Group {
    members: Vec<usize>,
    wanted: Vec<Contents>,
    transaction: Transaction<SyncError>,
    next: Option<Task>,
    /// Until when the command of the next task hangs.
    hangs_until: Option<Time>,
    reloaded: bool,
}

impl Pass {
    /// `trees`: that each resource reads.
    pub fn start(due: Vec<usize>, trees: Vec<Trees>, snapshot: Arc<Snapshot>, disk: &Disk) -> Self {
        let mut groups: VecDeque<Vec<usize>> = VecDeque::new();
        let reload = |resource: usize| disk.kinds.reloads[resource];
        for resource in &due {
            let same = |group: &&mut Vec<usize>| reload(group[0]) == reload(*resource);
            match groups.iter_mut().find(same) {
                Some(group) => group.push(*resource),
                None => groups.push_back(vec![*resource]),
            }
        }
        Self {
            snapshot,
            due,
            trees,
            outcomes: Vec::new(),
            groups,
            group: None,
        }
    }

    /// Whether a command that hangs is ended by now.
    pub fn is_to_end(&self, disk: &Disk) -> bool {
        self.group
            .as_ref()
            .is_some_and(|group| group.is_to_end(disk))
    }

    /// Until when a command of it hangs.
    pub fn hangs_until(&self) -> Option<Time> {
        self.group.as_ref()?.hangs_until
    }

    /// Does one thing. Whether it was the last.
    pub fn step(&mut self, model: &mut Model) -> Result<bool, Killed> {
        model.events += u64::from(self.hangs_until().is_none());
        if self.group.is_none() {
            match self.groups.pop_front() {
                Some(members) => {
                    if !model.disk.may_pass(members[0], model.now) {
                        model.fail(|| "a pass begins too soon after a reload".to_owned());
                    }
                    let group =
                        Group::prepare(members, &self.trees, &self.snapshot, &mut model.disk);
                    self.group = Some(group);
                }
                None => return Ok(true),
            }
        }
        let Some(group) = &mut self.group else {
            return Ok(true);
        };
        match group.next {
            Some(action) => {
                let answer = group.answer(action, model)?;
                let Some(answer) = answer else {
                    return Ok(false);
                };
                if !matches!(answer, TaskResult::Done) {
                    let now = model.now;
                    model.disk.trouble(&group.members, now);
                }
                if action == Task::Reload && !matches!(answer, TaskResult::Cancelled(_)) {
                    group.reloaded = true;
                    model.disk.reload_ended(group.members[0], model.now);
                }
                group.next = group.transaction.on(answer);
            }
            None => {
                let verdicts = group.transaction.verdicts();
                let outcomes = verdicts.map(|(verdict, reload_owed)| Outcome {
                    steps: Steps {
                        reload: group.reloaded.then_some(RELOADED),
                        ..Steps::default()
                    },
                    result: match verdict {
                        Conclusion::InStep => Ok(Synced::InStep),
                        Conclusion::Updated => Ok(Synced::Updated),
                        Conclusion::Failed(error) => Err(error),
                    },
                    reload_owed,
                });
                for (member, outcome) in group.members.iter().copied().zip(outcomes) {
                    model.disk.failed[member] = outcome.result.is_err();
                    self.outcomes.push((member, outcome));
                }
                self.group = None;
            }
        }
        Ok(false)
    }

    /// What became of each that was due, in order.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        self.outcomes.sort_by_key(|(resource, _)| *resource);
        let outcomes = std::mem::take(&mut self.outcomes);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

impl Group {
    fn prepare(members: Vec<usize>, trees: &[Trees], snapshot: &Snapshot, disk: &mut Disk) -> Self {
        let mut wanted = Vec::new();
        let mut found = Vec::new();
        for &member in &members {
            let owed = disk.files[member].owed;
            disk.put_back(member);
            let contents = rendered(snapshot, trees[member]);
            found.push(Found {
                changed: disk.files[member].dest != Some(contents),
                check: disk.kinds.checks[member],
                owed,
            });
            wanted.push(contents);
        }
        let mut transaction = Transaction::new(found, !disk.hold);
        let next = transaction.begin();
        Self {
            members,
            wanted,
            transaction,
            next,
            reloaded: false,
            hangs_until: None,
        }
    }

    /// `Execution::perform`; nothing while a command hangs.
    fn answer(
        &mut self,
        task: Task,
        model: &mut Model,
    ) -> Result<Option<TaskResult<SyncError>>, Killed> {
        if self.hangs_until.is_some() {
            return Ok(self.ended(task, model));
        }
        model.trace(|| format!("proxy: {task:?} of {:?}", self.members));
        let undoing = matches!(
            task,
            Task::Restore(_) | Task::DropBackup(_) | Task::ClearOwed(_)
        );
        if model.disk.cancelled_at.is_some() && !undoing {
            return Ok(Some(TaskResult::Cancelled(SyncError::Cancelled)));
        }
        Ok(Some(match model.disk.fate(is_command(task)) {
            Some(Fate::Hangs) => {
                let until = model.now + HANGS;
                model.disk.trouble(&self.members, until);
                self.hangs_until = Some(until);
                return Ok(None);
            }
            Some(Fate::KilledBefore) => return Err(Killed),
            Some(Fate::KilledAfter) => {
                self.perform(task, model);
                return Err(Killed);
            }
            Some(Fate::Fails) => {
                if let Task::Swap(member) = task {
                    let file = &mut model.disk.files[self.members[member]];
                    if file.previous.is_some() {
                        // A file that is mounted is written into, and that may break off.
                        file.dest = Some(GARBAGE);
                    }
                }
                failed()
            }
            None if self.perform(task, model) => TaskResult::Done,
            None => failed(),
        }))
    }

    fn is_cancelled(&self, disk: &Disk) -> bool {
        disk.cancelled_at.is_some() && (disk.killed || self.next != Some(Task::Reload))
    }

    fn is_to_end(&self, disk: &Disk) -> bool {
        let healed = |until: Time| disk.healed_at >= until - HANGS;
        self.is_cancelled(disk) || self.hangs_until.is_some_and(healed)
    }

    /// What comes of a command that hangs, once it was ended.
    fn ended(&mut self, task: Task, model: &mut Model) -> Option<TaskResult<SyncError>> {
        let is_late = model.now >= self.hangs_until?;
        let result = match self.is_cancelled(&model.disk) {
            true => TaskResult::Cancelled(SyncError::Cancelled),
            false if is_late || self.is_to_end(&model.disk) => failed(),
            false => return None,
        };
        model.trace(|| format!("proxy: {task:?} of {:?} was ended", self.members));
        self.hangs_until = None;
        Some(result)
    }

    fn perform(&mut self, task: Task, model: &mut Model) -> bool {
        let disk = &mut model.disk;
        match task {
            Task::Stage(_) => true,
            Task::CheckStaged(member) => is_good(self.wanted[member]),
            Task::CheckSwapped(check) => {
                let judged = 0..RESOURCES;
                let mut judged = judged.filter(|resource| judges(disk, check, *resource));
                judged.all(|resource| disk.files[resource].dest.is_none_or(is_good))
            }
            Task::MarkOwed(member) => {
                disk.files[self.members[member]].owed = true;
                true
            }
            Task::ClearOwed(member) => {
                disk.files[self.members[member]].owed = false;
                true
            }
            Task::Backup(member) => {
                let file = &mut disk.files[self.members[member]];
                let free = file.previous.is_none();
                if free {
                    file.previous = Some(file.dest);
                }
                free
            }
            Task::Swap(member) => {
                disk.files[self.members[member]].dest = Some(self.wanted[member]);
                true
            }
            Task::Restore(member) => {
                disk.put_back(self.members[member]);
                true
            }
            Task::DropBackup(member) => {
                disk.files[self.members[member]].previous = None;
                true
            }
            Task::Reload => self.reload(model),
        }
    }

    fn reload(&self, model: &mut Model) -> bool {
        for &resource in &self.members {
            let good = model.disk.files[resource].dest.is_none_or(is_good);
            if model.disk.is_checked(resource) && !good {
                model.fail(|| "reloaded into a file that does not pass its check".to_owned());
            }
        }
        if model.disk.kinds.child && !model.disk.child_runs {
            model.fail(|| "reloaded a child that does not run".to_owned());
        }
        let disk = &mut model.disk;
        if disk.broken {
            return false;
        }
        for resource in 0..RESOURCES {
            let reload = disk.kinds.reloads[resource];
            if reload == disk.kinds.reloads[self.members[0]] {
                disk.files[resource].loaded = disk.files[resource].dest;
            }
        }
        true
    }
}

fn failed() -> TaskResult<SyncError> {
    TaskResult::Failed(SyncError::CheckText("it fails".to_owned()))
}

fn is_command(task: Task) -> bool {
    matches!(
        task,
        Task::CheckStaged(_) | Task::CheckSwapped(_) | Task::Reload
    )
}

/// Whether a check of swapped files reads this one.
fn judges(disk: &Disk, check: usize, resource: usize) -> bool {
    disk.kinds.checks[resource] == Check::Swapped(check)
}
