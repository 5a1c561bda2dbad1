//! One file of a sync: what it is, and what it should be.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::busy::Reserved;
use super::{Outcome, Rendered, Step, Steps, SyncError, Synced, Syncer};
use crate::backup::Backup;
use crate::compare::{self, Contents, Current, md5sum};
use crate::diff;
use crate::error::FileError;
use crate::options::{Dialect, Options};
use crate::owed::Owed;
use crate::permissions::{self, Missing, Permissions, UnknownOwner, Wanted};
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
    dialect: Dialect,
    pub(super) target: Target,
    /// What is to be done about the file. If that is not known, a reload may be owed all the same.
    pub(super) plan: Result<Plan, SyncError>,
    pub(super) owed: Owed,
    pub(super) is_owed: bool,
    pub(super) stage: Option<Stage>,
    /// While the new file is not known to be good.
    pub(super) kept: Option<Kept>,
    /// The same was tried before and failed: most of what there is to say has been said.
    pub(super) quiet: bool,
    /// What was asked for and cannot be had.
    missing: Vec<String>,
    /// What the file has that was written.
    came_out: Option<Permissions>,
    /// An earlier sync left a file there that was to be put back, and has been now.
    pub(super) is_put_back: bool,
    /// This one leaves such a file.
    pub(super) is_unsettled: bool,
    pub(super) steps: Steps,
    /// Nobody else works on the file.
    _claim: Reserved,
}

/// Of a member that is about to be replaced, or was.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) backup: Backup,
    pub(super) replaced: bool,
    /// There while this is: see [`Syncer::is_judging`].
    pub(super) _judged: Arc<()>,
}

/// What the file should be, beside what it is.
#[derive(Debug)]
pub(super) struct Plan {
    bytes: Vec<u8>,
    wanted: Wanted,
    /// What that comes out as.
    expected: Permissions,
    /// The contents as they are; none if there is no file.
    current: Option<Vec<u8>>,
    /// A line for each difference that is worth one.
    differences: Vec<String>,
    changed: bool,
}

impl<'a> Member<'a> {
    pub(super) fn prepare(
        syncer: &Syncer,
        resource: &'a Resource,
        snapshot: &Snapshot,
    ) -> Result<Self, SyncError> {
        let target = Target::among(&syncer.directories, &resource.dest)?;
        let claim = syncer.busy.claim(&target, &resource.dest)?;
        let owed = Owed::of(&target, syncer.options.state_dir.as_deref());
        let is_owed = is_owed(&owed, &target, resource, &syncer.options)?;
        if !syncer.options.noop {
            recover::put_back(&target, &resource.dest)?;
            syncer.sweep(&target);
        }
        let mut member = Self {
            resource,
            dialect: syncer.options.dialect,
            target,
            plan: Err(SyncError::Cancelled),
            owed,
            is_owed,
            stage: None,
            kept: None,
            quiet: false,
            missing: Vec::new(),
            came_out: None,
            is_put_back: syncer.memory.is_unsettled(&resource.dest),
            is_unsettled: false,
            steps: Steps::default(),
            _claim: claim,
        };
        member.plan = member.make_plan(syncer, snapshot);
        let digest = member.digest();
        member.steps.rendered = member.rendered(digest.as_ref());
        member.quiet = syncer.memory.has_failed(member.dest(), digest.as_ref());
        member.announce(syncer.options.noop);
        if syncer.options.noop || (!member.changed() && !member.is_owed) {
            member.target.close();
        }
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

    fn rendered(&self, digest: Option<&String>) -> Option<Rendered> {
        let plan = self.plan.as_ref().ok()?;
        Some(Rendered {
            size: plan.bytes.len(),
            digest: digest?.clone(),
        })
    }

    pub(super) fn rendered_bytes(&self) -> Option<&[u8]> {
        self.plan.as_ref().ok().map(|plan| plan.bytes.as_slice())
    }

    pub(super) fn write_stage(&mut self) -> Result<Stage, SyncError> {
        let plan = self.plan.as_ref().map_err(Clone::clone)?;
        let stage = plan.write_stage(&self.target, self.dest(), self.dialect)?;
        self.look_at(&stage);
        Ok(stage)
    }

    fn look_at(&mut self, stage: &Stage) {
        let given = stage.given();
        self.came_out = Some(given.permissions);
        self.missing.extend(given.missing.iter().map(Missing::text));
    }

    /// A file that was written in place may have come out otherwise than the staged one.
    pub(super) fn look_at_swapped(&mut self, swapped: bool) {
        let stat = self
            .target
            .directory()
            .and_then(|dir| dir.stat(self.target.name()));
        if let (true, Ok(stat)) = (swapped, stat) {
            self.came_out = Some(Permissions::of_stat(&stat));
        }
    }

    pub(super) fn came_out(&self) -> Option<(Wanted, Permissions)> {
        let wanted = self.plan.as_ref().ok()?.wanted;
        self.came_out.map(|out| (wanted, out))
    }

    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// While what uses the files is not running, it is owed nothing.
    pub(super) fn hold_reload(&mut self) {
        self.is_owed = false;
    }

    fn make_plan(&mut self, syncer: &Syncer, snapshot: &Snapshot) -> Result<Plan, SyncError> {
        let resource = self.resource;
        let prefix = syncer.options.prefix.as_deref();
        let prefix = prefix.map_or_else(|| resource.prefix.clone(), crate::resource::rooted);
        let begun_at = Instant::now();
        let bytes = syncer.renderer.render(resource, &prefix, snapshot);
        self.steps.render = Some(Step::since(begun_at, bytes.is_ok()));
        self.steps.left_out = syncer.renderer.left_out(resource);
        let bytes = bytes?;
        let current = compare::read(&self.target, bytes.len())?;
        let now = current.as_ref().map(|current| current.permissions);
        let wanted = self.wanted_permissions(now)?;
        let mut plan = Plan {
            bytes,
            wanted,
            expected: expected(syncer, self.dest(), wanted, current.as_ref()),
            changed: current.is_none(),
            current: current.map(|current| current.bytes),
            differences: Vec::new(),
        };
        if syncer.options.keep_stage_file {
            let stage = plan.keep_stage(&self.target, self.dest(), self.dialect)?;
            self.take_up(stage, &mut plan);
        } else if now.is_some_and(|now| now != plan.expected) {
            // Not every file system gives what is wanted. The file tells that is written in any case,
            // unless it comes out as the one that is there.
            let stage = plan.write_stage(&self.target, self.dest(), self.dialect);
            stage
                .into_iter()
                .for_each(|stage| self.take_up(stage, &mut plan));
        }
        debug!("Comparing candidate config to {}", self.dest().display());
        plan.compare(self.dest(), now, self.dialect);
        if !syncer.options.noop {
            // It may be large, and commands take long.
            plan.current = None;
        }
        if !plan.changed && !syncer.options.keep_stage_file {
            self.stage = None;
        }
        Ok(plan)
    }

    /// As the resource says; otherwise ours, and the mode that the file has.
    fn wanted_permissions(&mut self, now: Option<Permissions>) -> Result<Wanted, UnknownOwner> {
        let resource = self.resource;
        let owner = resource.owner.as_deref().filter(|_| resource.uid.is_none());
        let group = resource.group.as_deref().filter(|_| resource.gid.is_none());
        let uid = resource.uid.or(self.known(owner.map(permissions::uid))?);
        let gid = resource.gid.or(self.known(group.map(permissions::gid))?);
        let mut wanted = Wanted::ours(resource.mode.unwrap_or(DEFAULT_MODE));
        wanted.ask(uid, gid, resource.mode.is_some());
        if let (None, Some(now)) = (resource.mode, now) {
            wanted.keep_mode(now);
        }
        Ok(wanted)
    }

    /// confd does not read the names, so that many a resource has one that the host does not know.
    fn known(
        &mut self,
        id: Option<Result<u32, UnknownOwner>>,
    ) -> Result<Option<u32>, UnknownOwner> {
        match id.transpose() {
            Err(unknown) if self.dialect == Dialect::Confd => {
                self.missing.push(unknown.to_string());
                Ok(None)
            }
            known => known,
        }
    }

    fn take_up(&mut self, stage: Stage, plan: &mut Plan) {
        self.look_at(&stage);
        plan.expected = stage.given().permissions;
        self.stage = Some(stage);
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
            match self.dialect {
                Dialect::Confd => warn!(
                    event = "noop",
                    "Noop mode enabled. {dest} will not be modified"
                ),
                Dialect::Plain => info!(
                    event = "noop",
                    "Noop mode enabled. {dest} will not be modified"
                ),
            }
        } else if plan.changed {
            self.say(&format!("Target config {dest} out of sync"));
        } else {
            debug!(event = "file_in_step", "Target config {dest} in sync");
        }
    }

    /// Says it for people, unless they have been told.
    fn say(&self, line: &str) {
        if self.quiet {
            debug!(event = "file_out_of_step", "{line}");
        } else {
            info!(event = "file_out_of_step", "{line}");
        }
    }

    /// What would become of it.
    /// `fault`: why it would not pass its check.
    pub(super) fn would_be(mut self, fault: Option<String>) -> (Self, Outcome) {
        let result = match &self.plan {
            Err(error) => Err(error.clone()),
            Ok(plan) if plan.changed => Ok(Synced::Pending {
                diff: plan.diff(self.dest()),
                fault,
            }),
            Ok(_) => match self.pending() {
                Some(diff) => Ok(Synced::Pending { diff, fault }),
                None => Ok(Synced::InStep),
            },
        };
        let reload_owed = self.is_owed;
        let outcome = Outcome {
            result,
            reload_owed,
            steps: std::mem::take(&mut self.steps),
        };
        (self, outcome)
    }
}

impl Member<'_> {
    /// What there is to do for a file that is as it should be.
    fn pending(&self) -> Option<String> {
        let dest = self.dest().display();
        self.is_owed
            .then(|| format!("{dest} has been replaced, and its reload is owed\n"))
    }
}

impl Plan {
    fn compare(&mut self, dest: &Path, now: Option<Permissions>, dialect: Dialect) {
        if let (Some(current), Some(now)) = (&self.current, now) {
            let is = |bytes, permissions| Contents { bytes, permissions };
            let (now, wanted) = (is(current, now), is(&self.bytes, self.expected));
            self.differences = compare::differences(dest, &now, &wanted, dialect);
            self.changed = now != wanted;
        }
    }

    /// In confd's dialect an owner that we may not give is no reason not to write: confd does not
    /// look whether it could.
    fn write_stage(
        &self,
        target: &Target,
        dest: &Path,
        dialect: Dialect,
    ) -> Result<Stage, FileError> {
        let write = || {
            let stage = Stage::write(target, &self.bytes, self.wanted)?;
            let missing = stage.given().missing.iter();
            let mut refused = missing.filter_map(Missing::refusal);
            refused
                .next()
                .filter(|_| dialect == Dialect::Plain)
                .map_or(Ok(stage), Err)
        };
        write().map_err(FileError::new("write", dest))
    }

    fn keep_stage(
        &self,
        target: &Target,
        dest: &Path,
        dialect: Dialect,
    ) -> Result<Stage, FileError> {
        let mut stage = self.write_stage(target, dest, dialect)?;
        stage.keep();
        info!(
            event = "stage_kept",
            "Keeping staged file: {}",
            stage.path().display()
        );
        Ok(stage)
    }

    fn diff(&self, dest: &Path) -> String {
        let told = self.differences.iter().map(|line| format!("{line}\n"));
        let mut diff: String = told.collect();
        diff += &diff::unified(dest, self.current.as_deref(), &self.bytes);
        diff
    }
}

/// What a file comes out as that is written now, as far as that is known without writing it.
fn expected(
    syncer: &Syncer,
    dest: &Path,
    wanted: Wanted,
    current: Option<&Current>,
) -> Permissions {
    let known = syncer.memory.came_out(dest, wanted);
    let mut expected = known.unwrap_or(wanted.permissions);
    // A mounted file stays the same: its owner and mode are those of the mount.
    if let Some(current) = current.filter(|current| current.is_mounted) {
        if !wanted.asks_owner {
            expected.uid = current.permissions.uid;
        }
        if !wanted.asks_group {
            expected.gid = current.permissions.gid;
        }
        if !wanted.asks_mode {
            expected.mode = current.permissions.mode;
        }
    }
    expected
}

/// A record is of no use when there is nothing to run.
fn is_owed(
    owed: &Owed,
    target: &Target,
    resource: &Resource,
    options: &Options,
) -> Result<bool, FileError> {
    let recorded = owed.is_recorded(target)?;
    if recorded && resource.reload_cmd.is_none() && !options.noop {
        owed.clear(target)?;
    }
    Ok(recorded && resource.reload_cmd.is_some() && !options.sync_only)
}
