//! The files, the daemon that reads them, and how `src/renderer/sync/` carries a transaction out on
//! them, `recover.rs`, `owed.rs` and `backup.rs` included. What decides is the product's
//! `Transaction`.

use std::collections::VecDeque;

use renderer::snapshot::Snapshot;
use renderer::sync::{Outcome, SyncError, Synced};
use renderer::transaction::{Check, Conclusion, Found, Task, TaskResult, Transaction};

use crate::clock::Time;
use crate::keys::{self, TREES};
use crate::model::Model;

/// Each reads a tree, its own or the other's.
pub const RESOURCES: usize = TREES;

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

/// What a template makes of the keys of a tree.
pub fn rendered(snapshot: &Snapshot, tree: usize) -> Contents {
    let mut bytes = [0; 4];
    for (name, value) in &snapshot.entries {
        if let (Some(key), Some(value)) = (keys::of_name(name), value.first())
            && keys::tree(key) == tree
        {
            bytes[key] = *value;
        }
    }
    Contents::from_le_bytes(bytes)
}

#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Fails,
    /// The process is killed just before it is done.
    KilledBefore,
    /// Just after.
    KilledAfter,
}

/// How files are checked and reloaded.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    pub checks: [Check; RESOURCES],
    /// Both share one reload.
    pub shared: bool,
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
    /// When something last failed.
    pub troubled_at: Time,
    /// In `conf.d` each resource reads the other's tree.
    pub other_keys: bool,
    usual_pace: Time,
    /// What one action takes.
    pub pace: Time,
    /// Reloads are left out.
    pub hold: bool,
    /// A pass is under way.
    pub at_work: bool,
    /// What it is over.
    pub due: [bool; RESOURCES],
    /// This process has begun a pass.
    pub begun: bool,
    pub cancelled: bool,
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
            troubled_at: 0,
            other_keys: false,
            usual_pace: pace,
            pace,
            hold: false,
            at_work: false,
            due: [false; RESOURCES],
            begun: false,
            cancelled: false,
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
        self.at_work = false;
        self.begun = false;
        self.cancelled = false;
        self.hold = false;
        self.child_is_gone();
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

    pub fn heal(&mut self) {
        self.broken = false;
        self.stubborn = false;
        self.pace = self.usual_pace;
        self.fates.clear();
    }

    /// The tree that `conf.d` has the resource read.
    pub fn tree_of(&self, resource: usize) -> usize {
        match self.other_keys {
            false => resource,
            true => RESOURCES - 1 - resource,
        }
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
        let at_it = self.at_work && self.due[resource];
        let free = !at_it && !file.owed && file.previous.is_none();
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

    fn fate(&mut self) -> Option<Fate> {
        let mut fate = None;
        self.fates.retain_mut(|(after, next)| {
            if *after == 0 && fate.is_none() {
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
    pub snapshot: Snapshot,
    pub due: Vec<usize>,
    /// That each resource reads.
    trees: Vec<usize>,
    outcomes: Vec<(usize, Outcome)>,
    groups: VecDeque<Vec<usize>>,
    group: Option<Group>,
}

struct Group {
    members: Vec<usize>,
    wanted: Vec<Contents>,
    transaction: Transaction<SyncError>,
    next: Option<Task>,
}

impl Pass {
    /// `trees`: that each resource reads.
    pub fn start(due: Vec<usize>, trees: Vec<usize>, snapshot: Snapshot, disk: &Disk) -> Self {
        let groups = if disk.kinds.shared {
            VecDeque::from([due.clone()])
        } else {
            due.iter().map(|resource| vec![*resource]).collect()
        };
        Self {
            snapshot,
            due,
            trees,
            outcomes: Vec::new(),
            groups,
            group: None,
        }
    }

    /// Does one thing. Whether it was the last.
    pub fn step(&mut self, model: &mut Model) -> Result<bool, Killed> {
        model.events += 1;
        if self.group.is_none() {
            match self.groups.pop_front() {
                Some(members) => {
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
                if !matches!(answer, TaskResult::Done) {
                    model.disk.troubled_at = model.now;
                }
                group.next = group.transaction.on(answer);
            }
            None => {
                let verdicts = group.transaction.verdicts();
                let outcomes = verdicts.map(|(verdict, reload_owed)| Outcome {
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
    fn prepare(members: Vec<usize>, trees: &[usize], snapshot: &Snapshot, disk: &mut Disk) -> Self {
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
        }
    }

    /// `Group::perform`.
    fn answer(&mut self, action: Task, model: &mut Model) -> Result<TaskResult<SyncError>, Killed> {
        model.trace(|| format!("proxy: {action:?} of {:?}", self.members));
        let undoing = matches!(
            action,
            Task::Restore(_) | Task::DropBackup(_) | Task::ClearOwed(_)
        );
        if model.disk.cancelled && !undoing {
            return Ok(TaskResult::Cancelled(SyncError::Cancelled));
        }
        let failed = || TaskResult::Failed(SyncError::CheckText("it fails".to_owned()));
        match model.disk.fate() {
            Some(Fate::KilledBefore) => Err(Killed),
            Some(Fate::KilledAfter) => {
                self.perform(action, model);
                Err(Killed)
            }
            Some(Fate::Fails) => {
                if let Task::Swap(member) = action {
                    let file = &mut model.disk.files[self.members[member]];
                    if file.previous.is_some() {
                        // A file that is mounted is written into, and that may break off.
                        file.dest = Some(GARBAGE);
                    }
                }
                Ok(failed())
            }
            None if self.perform(action, model) => Ok(TaskResult::Done),
            None => Ok(failed()),
        }
    }

    fn perform(&mut self, action: Task, model: &mut Model) -> bool {
        let disk = &mut model.disk;
        match action {
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
            if disk.kinds.shared || self.members.contains(&resource) {
                disk.files[resource].loaded = disk.files[resource].dest;
            }
        }
        true
    }
}

/// Whether a check of swapped files reads this one.
fn judges(disk: &Disk, check: usize, resource: usize) -> bool {
    disk.kinds.checks[resource] == Check::Swapped(check)
}
