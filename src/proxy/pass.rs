//! `conf.d` and the files of this host. A pass over them has a thread of its own: it reads and writes
//! files and waits for commands.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use renderer::cancel::Cancel;
use renderer::functions::Helpers;
use renderer::options::Dialect;
use renderer::resource::Resource;
use renderer::snapshot::{Snapshot, Subtree};
use renderer::sync::{SyncError, Syncer};
use renderer::{Loading, load_again, load_all};
use tokio::task::JoinHandle;

use crate::config::FileConfig;
use crate::exit::RunError;
use crate::world::{Files, Finished, Pass};

/// The files of this host.
pub struct HostFiles {
    confdir: PathBuf,
    /// What templates may call besides confd's functions.
    helpers: Helpers,
    syncer: Arc<Syncer>,
    /// For the passes under way when we are to leave. Made at the start: later no file descriptor may
    /// be left.
    cancel: Arc<Cancel>,
}

/// A pass in its thread.
pub struct HostPass(JoinHandle<Finished>);

impl HostFiles {
    /// # Errors
    /// When no file descriptor is left.
    pub fn new(files: &FileConfig) -> io::Result<Self> {
        let cancel = Arc::new(Cancel::new()?);
        // As many as reading `conf.d` takes, while we may still fail.
        let _left = Cancel::new()?;
        Ok(Self {
            confdir: files.confdir.clone(),
            helpers: files.options.helpers,
            syncer: Arc::new(Syncer::new(files.options.clone())),
            cancel,
        })
    }
}

impl Files for HostFiles {
    type Pass = HostPass;

    fn load(&self, before: Option<&[Resource]>) -> Loading {
        match before {
            Some(before) => load_again(&self.confdir, before, self.helpers),
            None => load_all(&self.confdir),
        }
    }

    fn recover(&self, resources: &[Resource]) {
        self.syncer.recover(resources);
    }

    fn hold_reloads(&mut self, hold: bool) {
        self.syncer.hold_reloads(hold);
    }

    fn are_judged(&self) -> bool {
        self.syncer.is_judging()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a pass is beside the loop, which waits for it"
    )]
    fn start(
        &mut self,
        resources: &Arc<Vec<Resource>>,
        due: Vec<usize>,
        snapshot: Arc<Snapshot>,
    ) -> HostPass {
        let (resources, syncer) = (Arc::clone(resources), Arc::clone(&self.syncer));
        let cancel = Arc::clone(&self.cancel);
        HostPass(tokio::task::spawn_blocking(move || {
            let batch: Vec<_> = due.iter().map(|number| &resources[*number]).collect();
            let outcomes = syncer.sync(&batch, snapshot, Some(&cancel));
            drop(batch);
            Finished {
                resources,
                due,
                outcomes,
            }
        }))
    }

    fn cancel(&self) {
        self.cancel.cancel();
    }

    fn kill(&self) {
        self.cancel.kill();
    }
}

impl Pass for HostPass {
    async fn finished(&mut self) -> Result<Finished, RunError> {
        let ended = (&mut self.0).await;
        ended.map_err(|error| RunError::of_host(format_args!("a pass broke down: {error}")))
    }
}

/// That a tree which a resource reads may not be read, in the words of [`failure`].
pub(super) fn denied(tree: &Subtree, dest: &Path, dialect: Dialect) -> String {
    let reason = format!("permission denied to read {}", tree.prefix());
    match dialect {
        Dialect::Plain => format!("{}: etcd refused: {reason}", dest.display()),
        Dialect::Confd => reason,
    }
}

/// A failure in words. Ours name the file; confd's do not.
pub(super) fn failure(error: &SyncError, dest: &Path, dialect: Dialect) -> String {
    let names_it = match error {
        SyncError::Render(_) | SyncError::File(_) => true,
        SyncError::Owner(_)
        | SyncError::Check(_)
        | SyncError::CheckText(_)
        | SyncError::Reload(_)
        | SyncError::Cancelled => false,
    };
    match dialect {
        Dialect::Plain if !names_it => format!("{}: {error}", dest.display()),
        Dialect::Plain | Dialect::Confd => error.to_string(),
    }
}
