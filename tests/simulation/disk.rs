//! The files, the daemon that reads them, and how `src/renderer/sync/` carries a transaction out on
//! them, `recover.rs`, `owed.rs` and `backup.rs` included. What decides is the product's
//! `Transaction`.

use std::collections::VecDeque;

use renderer::snapshot::Snapshot;
use renderer::transaction::{Action, Answer, Check, Found, Transaction, Verdict};

use crate::etcd::KEYS;
use crate::follower::key_of;
use crate::world::Shared;

pub const RESOURCES: usize = 2;

/// A value that makes a file bad.
pub const BAD: u8 = 13;

/// What a file holds: a byte for each key.
pub type Contents = u32;

/// Half written.
const GARBAGE: Contents = Contents::MAX;

pub fn is_good(contents: Contents) -> bool {
    contents != GARBAGE && contents.to_le_bytes().iter().all(|byte| *byte != BAD)
}

/// What the template of `resource` makes of the keys.
pub fn rendered(snapshot: &Snapshot, resource: usize) -> Contents {
    let mut bytes = [0; 4];
    for (name, value) in &snapshot.entries {
        if let (Some(key), Some(value)) = (key_of(name), value.first())
            && resource_of(key) == resource
        {
            bytes[key] = *value;
        }
    }
    Contents::from_le_bytes(bytes)
}

pub fn resource_of(key: usize) -> usize {
    key * RESOURCES / KEYS
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
    fates: Vec<(usize, Fate)>,
}

impl Disk {
    pub fn new(kinds: Kinds) -> Self {
        Self {
            files: [File::default(); RESOURCES],
            kinds,
            broken: false,
            fates: Vec::new(),
        }
    }

    pub fn destine(&mut self, after: usize, fate: Fate) {
        self.fates.push((after, fate));
    }

    pub fn heal(&mut self) {
        self.broken = false;
        self.fates.clear();
    }

    pub fn is_checked(&self, resource: usize) -> bool {
        self.kinds.checks[resource] != Check::Never
    }

    /// Whether nothing of a transaction is left.
    pub fn is_tidy(&self, resource: usize) -> bool {
        self.files[resource].previous.is_none()
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
    /// Whether each of `due` failed, as far as it is known.
    pub failed: Vec<(usize, bool)>,
    groups: VecDeque<Vec<usize>>,
    group: Option<Group>,
}

struct Group {
    members: Vec<usize>,
    wanted: Vec<Contents>,
    transaction: Transaction<()>,
    next: Option<Action>,
}

impl Pass {
    pub fn start(due: Vec<usize>, snapshot: Snapshot, disk: &Disk) -> Self {
        let groups = if disk.kinds.shared {
            VecDeque::from([due])
        } else {
            due.into_iter().map(|resource| vec![resource]).collect()
        };
        Self {
            snapshot,
            failed: Vec::new(),
            groups,
            group: None,
        }
    }

    /// Does one thing. Whether it was the last.
    pub fn step(
        &mut self,
        disk: &mut Disk,
        cancelled: bool,
        shared: &mut Shared,
    ) -> Result<bool, Killed> {
        if self.group.is_none() {
            match self.groups.pop_front() {
                Some(members) => self.group = Some(Group::prepare(members, &self.snapshot, disk)),
                None => return Ok(true),
            }
        }
        let Some(group) = &mut self.group else {
            return Ok(true);
        };
        match group.next {
            Some(action) => {
                let answer = group.answer(action, disk, cancelled, shared)?;
                group.next = group.transaction.on(answer);
            }
            None => {
                let verdicts = group.transaction.verdicts();
                let failed = verdicts.map(|(verdict, _)| matches!(verdict, Verdict::Failed(_)));
                self.failed
                    .extend(group.members.iter().copied().zip(failed));
                self.group = None;
            }
        }
        Ok(false)
    }
}

impl Group {
    fn prepare(members: Vec<usize>, snapshot: &Snapshot, disk: &mut Disk) -> Self {
        let mut wanted = Vec::new();
        let mut found = Vec::new();
        for &member in &members {
            let owed = disk.files[member].owed;
            disk.put_back(member);
            let contents = rendered(snapshot, member);
            found.push(Found {
                changed: disk.files[member].dest != Some(contents),
                check: disk.kinds.checks[member],
                owed,
            });
            wanted.push(contents);
        }
        let mut transaction = Transaction::new(found, true);
        let next = transaction.begin();
        Self {
            members,
            wanted,
            transaction,
            next,
        }
    }

    /// `Group::perform`.
    fn answer(
        &mut self,
        action: Action,
        disk: &mut Disk,
        cancelled: bool,
        shared: &mut Shared,
    ) -> Result<Answer<()>, Killed> {
        let now = shared.now;
        shared
            .trace
            .line(now, || format!("proxy: {action:?} of {:?}", self.members));
        let undoing = matches!(
            action,
            Action::Restore(_) | Action::DropBackup(_) | Action::ClearOwed(_)
        );
        if cancelled && !undoing {
            return Ok(Answer::Cancelled(()));
        }
        match disk.fate() {
            Some(Fate::KilledBefore) => Err(Killed),
            Some(Fate::KilledAfter) => {
                self.perform(action, disk, shared);
                Err(Killed)
            }
            Some(Fate::Fails) => {
                if let Action::Swap(member) = action
                    && disk.files[self.members[member]].previous.is_some()
                {
                    // A file that is mounted is written into, and that may break off.
                    disk.files[self.members[member]].dest = Some(GARBAGE);
                }
                Ok(Answer::Failed(()))
            }
            None if self.perform(action, disk, shared) => Ok(Answer::Done),
            None => Ok(Answer::Failed(())),
        }
    }

    fn perform(&mut self, action: Action, disk: &mut Disk, shared: &mut Shared) -> bool {
        match action {
            Action::Stage(_) => true,
            Action::CheckStaged(member) => is_good(self.wanted[member]),
            Action::CheckSwapped(check) => {
                let judged = 0..RESOURCES;
                let mut judged = judged.filter(|resource| judges(disk, check, *resource));
                judged.all(|resource| disk.files[resource].dest.is_none_or(is_good))
            }
            Action::MarkOwed(member) => {
                disk.files[self.members[member]].owed = true;
                true
            }
            Action::ClearOwed(member) => {
                disk.files[self.members[member]].owed = false;
                true
            }
            Action::Backup(member) => {
                let file = &mut disk.files[self.members[member]];
                let free = file.previous.is_none();
                if free {
                    file.previous = Some(file.dest);
                }
                free
            }
            Action::Swap(member) => {
                disk.files[self.members[member]].dest = Some(self.wanted[member]);
                true
            }
            Action::Restore(member) => {
                disk.put_back(self.members[member]);
                true
            }
            Action::DropBackup(member) => {
                disk.files[self.members[member]].previous = None;
                true
            }
            Action::Reload => Self::reload(&self.members, disk, shared),
        }
    }

    fn reload(members: &[usize], disk: &mut Disk, shared: &mut Shared) -> bool {
        for &resource in members {
            let good = disk.files[resource].dest.is_none_or(is_good);
            if disk.is_checked(resource) && !good {
                shared.fail(|| "reloaded into a file that does not pass its check".to_owned());
            }
        }
        if disk.broken {
            return false;
        }
        for resource in 0..RESOURCES {
            if disk.kinds.shared || members.contains(&resource) {
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
