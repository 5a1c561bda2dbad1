//! One file of a sync: what it is, and what it should be.

use std::path::Path;

use tracing::{debug, info, warn};

use super::{Outcome, SyncError, Synced, Syncer};
use crate::compare::{self, Contents, md5sum};
use crate::diff;
use crate::error::FileError;
use crate::options::{Dialect, Options};
use crate::owed::Owed;
use crate::permissions::{self, Permissions, UnknownOwner};
use crate::recover;
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::stage::Stage;
use crate::target::Target;

/// What a file gets that is new and whose resource does not say.
const DEFAULT_MODE: u32 = 0o644;

/// A resource of a group.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) resource: &'a Resource,
    pub(super) target: Target,
    /// What is to be done about the file. If that is not known, a reload may be owed all the same.
    pub(super) plan: Result<Plan, SyncError>,
    pub(super) owed: Owed,
    pub(super) is_owed: bool,
    pub(super) stage: Option<Stage>,
    /// The same was tried before and failed: most of what there is to say has been said.
    pub(super) quiet: bool,
}

/// What the file should be, beside what it is.
#[derive(Debug)]
pub(super) struct Plan {
    bytes: Vec<u8>,
    permissions: Permissions,
    /// The contents as they are; none if there is no file.
    current: Option<Vec<u8>>,
    /// A line for each difference that is worth one.
    differences: Vec<String>,
    changed: bool,
}

impl<'a> Member<'a> {
    pub(super) fn prepare(
        syncer: &mut Syncer,
        resource: &'a Resource,
        snapshot: &Snapshot,
    ) -> Result<Self, SyncError> {
        let target = Target::of(&resource.dest)?;
        let owed = Owed::of(&target, syncer.options.state_dir.as_deref());
        let is_owed = is_owed(&owed, resource, &syncer.options)?;
        if !syncer.options.noop {
            recover::put_back(&target, &resource.dest)?;
            syncer.sweep(&target);
        }
        let (plan, stage) = match Plan::make(syncer, resource, &target, snapshot) {
            Ok((plan, stage)) => (Ok(plan), stage),
            Err(error) => (Err(error), None),
        };
        let mut member = Self {
            resource,
            target,
            plan,
            owed,
            is_owed,
            stage,
            quiet: false,
        };
        let tried = syncer.failed.get(member.dest());
        member.quiet = tried.is_some_and(|tried| member.digest().as_ref() == Some(tried));
        member.announce(syncer.options.noop);
        Ok(member)
    }

    pub(super) fn dest(&self) -> &'a Path {
        &self.resource.dest
    }

    pub(super) fn changed(&self) -> bool {
        self.plan.as_ref().is_ok_and(|plan| plan.changed)
    }

    /// Of what the file should hold.
    pub(super) fn digest(&self) -> Option<String> {
        self.plan.as_ref().ok().map(|plan| md5sum(&plan.bytes))
    }

    pub(super) fn write_stage(&self) -> Result<Stage, SyncError> {
        let plan = self.plan.as_ref().map_err(Clone::clone)?;
        Ok(plan.write_stage(&self.target, self.dest())?)
    }

    fn announce(&self, noop: bool) {
        let Ok(plan) = &self.plan else {
            return;
        };
        let dest = self.dest().display();
        for line in &plan.differences {
            self.say(line);
        }
        if noop {
            warn!("Noop mode enabled. {dest} will not be modified");
        } else if plan.changed {
            self.say(&format!("Target config {dest} out of sync"));
        } else {
            debug!("Target config {dest} in sync");
        }
    }

    /// Says it for people, unless they have been told.
    fn say(&self, line: &str) {
        if self.quiet {
            debug!("{line}");
        } else {
            info!("{line}");
        }
    }

    /// What would become of it.
    pub(super) fn would_be(self) -> (Self, Outcome) {
        let result = match &self.plan {
            Err(error) => Err(error.clone()),
            Ok(plan) if plan.changed => Ok(Synced::Pending {
                diff: plan.diff(self.dest()),
            }),
            Ok(_) => Ok(Synced::InStep),
        };
        let reload_owed = self.is_owed;
        let outcome = Outcome {
            result,
            reload_owed,
        };
        (self, outcome)
    }
}

impl Plan {
    /// With the staged file, if that is to be kept in any case.
    fn make(
        syncer: &mut Syncer,
        resource: &Resource,
        target: &Target,
        snapshot: &Snapshot,
    ) -> Result<(Self, Option<Stage>), SyncError> {
        let prefix = syncer.options.prefix.as_deref();
        let prefix = prefix.map_or_else(|| resource.prefix.clone(), crate::resource::rooted);
        let bytes = syncer.renderer.render(resource, &prefix, snapshot)?;
        let read = compare::read(target)?;
        let (current, now) = read.map_or((None, None), |(bytes, now)| (Some(bytes), Some(now)));
        let mut plan = Self {
            bytes,
            permissions: wanted_permissions(resource, now)?,
            changed: current.is_none(),
            current,
            differences: Vec::new(),
        };
        let stage = if syncer.options.keep_stage_file {
            Some(plan.keep_stage(target, &resource.dest)?)
        } else {
            None
        };
        debug!("Comparing candidate config to {}", resource.dest.display());
        plan.compare(&resource.dest, now, syncer.options.dialect);
        Ok((plan, stage))
    }

    fn compare(&mut self, dest: &Path, now: Option<Permissions>, dialect: Dialect) {
        if let (Some(current), Some(now)) = (&self.current, now) {
            let is = |bytes, permissions| Contents { bytes, permissions };
            let (now, wanted) = (is(current, now), is(&self.bytes, self.permissions));
            self.differences = compare::differences(dest, &now, &wanted, dialect);
            self.changed = now != wanted;
        }
    }

    fn write_stage(&self, target: &Target, dest: &Path) -> Result<Stage, FileError> {
        Stage::write(target, &self.bytes, self.permissions).map_err(FileError::new("write", dest))
    }

    fn keep_stage(&self, target: &Target, dest: &Path) -> Result<Stage, FileError> {
        let mut stage = self.write_stage(target, dest)?;
        stage.keep();
        info!("Keeping staged file: {}", stage.path().display());
        Ok(stage)
    }

    fn diff(&self, dest: &Path) -> String {
        let told = self.differences.iter().map(|line| format!("{line}\n"));
        let mut diff: String = told.collect();
        diff += &diff::unified(dest, self.current.as_deref(), &self.bytes);
        diff
    }
}

/// A record is of no use when there is nothing to run.
fn is_owed(owed: &Owed, resource: &Resource, options: &Options) -> Result<bool, FileError> {
    let recorded = owed.is_recorded()?;
    if recorded && resource.reload_cmd.is_none() && !options.noop {
        owed.clear()?;
    }
    Ok(recorded && resource.reload_cmd.is_some() && !options.sync_only && !options.hold_reloads)
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
