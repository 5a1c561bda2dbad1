//! One file of a sync: what it is, and what it should be.

use std::path::Path;

use tracing::{debug, info, warn};

use super::{Outcome, SyncError, Synced, Syncer};
use crate::compare::{self, Contents, md5sum};
use crate::diff;
use crate::error::FileError;
use crate::owed::Owed;
use crate::permissions::{self, Permissions, UnknownOwner};
use crate::recover;
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::stage::Stage;
use crate::target::Target;

/// What a file gets that is new and whose resource does not say.
const DEFAULT_MODE: u32 = 0o644;

/// A resource that was rendered and compared.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) resource: &'a Resource,
    pub(super) target: Target,
    pub(super) bytes: Vec<u8>,
    pub(super) permissions: Permissions,
    /// The contents as they are; none if there is no file.
    current: Option<Vec<u8>>,
    /// A line for each difference.
    differences: Vec<String>,
    pub(super) changed: bool,
    pub(super) owed: Owed,
    pub(super) is_owed: bool,
    pub(super) stage: Option<Stage>,
    /// The same was tried before and failed: most of what there is to say has been said.
    pub(super) quiet: bool,
}

impl<'a> Member<'a> {
    /// On failure also tells whether a reload is owed.
    pub(super) fn prepare(
        syncer: &mut Syncer,
        resource: &'a Resource,
        snapshot: &Snapshot,
    ) -> Result<Self, (SyncError, bool)> {
        let target = Target::of(&resource.dest).map_err(|error| (error.into(), false))?;
        let owed = Owed::of(&target, syncer.options.state_dir.as_deref());
        let is_owed = owed.is_recorded().map_err(|error| (error.into(), false))?;
        let member = Self::compare(syncer, resource, snapshot, target, owed, is_owed);
        member.map_err(|error| (error, is_owed))
    }

    fn compare(
        syncer: &mut Syncer,
        resource: &'a Resource,
        snapshot: &Snapshot,
        target: Target,
        owed: Owed,
        is_owed: bool,
    ) -> Result<Self, SyncError> {
        if !syncer.options.noop {
            recover::put_back(&target, &resource.dest)?;
            if syncer.swept.insert(target.path().to_owned()) {
                recover::sweep(&target);
            }
        }
        let prefix = syncer.options.prefix.clone();
        let prefix = prefix.unwrap_or_else(|| resource.prefix.clone());
        let bytes = syncer.renderer.render(resource, &prefix, snapshot)?;
        let read = compare::read(&target)?;
        let (current, now) = read.map_or((None, None), |(bytes, now)| (Some(bytes), Some(now)));
        let permissions = wanted_permissions(resource, now)?;
        let tried = syncer.failed.get(&resource.dest);
        let mut member = Self {
            resource,
            target,
            permissions,
            differences: Vec::new(),
            changed: current.is_none(),
            current,
            owed,
            is_owed,
            stage: None,
            quiet: tried.is_some_and(|tried| *tried == md5sum(&bytes)),
            bytes,
        };
        if syncer.options.keep_stage_file {
            member.keep_stage()?;
        }
        debug!("Comparing candidate config to {}", resource.dest.display());
        if let (Some(current), Some(now)) = (&member.current, now) {
            let is = |bytes, permissions| Contents { bytes, permissions };
            let (now, wanted) = (is(current, now), is(&member.bytes, permissions));
            member.differences = compare::differences(&resource.dest, &now, &wanted);
            member.changed = !member.differences.is_empty();
        }
        member.tell(syncer.options.noop);
        Ok(member)
    }

    fn keep_stage(&mut self) -> Result<(), FileError> {
        let mut stage = self.write_stage()?;
        stage.keep();
        info!("Keeping staged file: {}", stage.path().display());
        self.stage = Some(stage);
        Ok(())
    }

    pub(super) fn write_stage(&self) -> Result<Stage, FileError> {
        Stage::write(&self.target, &self.bytes, self.permissions)
            .map_err(FileError::new("write", self.dest()))
    }

    pub(super) fn dest(&self) -> &'a Path {
        &self.resource.dest
    }

    fn tell(&self, noop: bool) {
        let dest = self.dest().display();
        for line in &self.differences {
            self.say(line);
        }
        if noop {
            warn!("Noop mode enabled. {dest} will not be modified");
        } else if self.changed {
            self.say(&format!("Target config {dest} out of sync"));
        } else {
            debug!("Target config {dest} in sync");
        }
    }

    /// Says it for people, unless they have been told.
    pub(super) fn say(&self, line: &str) {
        if self.quiet {
            debug!("{line}");
        } else {
            info!("{line}");
        }
    }

    /// What would be done.
    pub(super) fn pending(self) -> Outcome {
        let result = if self.changed {
            let mut diff: String = self
                .differences
                .iter()
                .map(|line| format!("{line}\n"))
                .collect();
            diff += &diff::unified(self.dest(), self.current.as_deref(), &self.bytes);
            Synced::Pending { diff }
        } else {
            Synced::InStep
        };
        Outcome {
            result: Ok(result),
            reload_owed: self.is_owed,
        }
    }
}

/// As the resource says; otherwise ours, and the mode that the file has.
fn wanted_permissions(
    resource: &Resource,
    now: Option<Permissions>,
) -> Result<Permissions, UnknownOwner> {
    let uid = match (resource.uid, &resource.owner) {
        (Some(uid), _) => uid,
        (None, Some(name)) => permissions::uid(name)?,
        (None, None) => rustix::process::geteuid().as_raw(),
    };
    let gid = match (resource.gid, &resource.group) {
        (Some(gid), _) => gid,
        (None, Some(name)) => permissions::gid(name)?,
        (None, None) => rustix::process::getegid().as_raw(),
    };
    let mode = resource
        .mode
        .or_else(|| now.map(|now| now.mode))
        .unwrap_or(DEFAULT_MODE);
    Ok(Permissions { uid, gid, mode })
}
