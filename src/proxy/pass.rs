//! One pass over some resources, in a thread of its own: it reads and writes files and waits for
//! commands.

use std::path::Path;
use std::sync::Arc;

use renderer::cancel::Cancel;
use renderer::options::Dialect;
use renderer::snapshot::Snapshot;
use renderer::sync::{Outcome, SyncError, Syncer};
use tokio::task::JoinHandle;

use super::catalog::Catalog;
use crate::exit::RunError;

/// A pass under way.
pub(super) struct Pass(JoinHandle<Finished>);

/// What it lent, and what came of it.
pub(super) struct Finished {
    pub(super) work: Work,
    pub(super) due: Vec<usize>,
    /// In the order of `due`.
    pub(super) outcomes: Vec<Outcome>,
}

/// What a pass needs for itself.
pub(super) struct Work {
    pub(super) syncer: Syncer,
    pub(super) snapshot: Snapshot,
}

impl Pass {
    /// `cancel` ends it, and every later one.
    pub(super) fn start(
        catalog: &Catalog,
        due: Vec<usize>,
        mut work: Work,
        cancel: &Arc<Cancel>,
    ) -> Self {
        let told = Arc::clone(cancel);
        let resources = Arc::clone(&catalog.resources);
        let task = tokio::task::spawn_blocking(move || {
            let batch: Vec<_> = due.iter().map(|number| &resources[*number]).collect();
            let outcomes = work.syncer.sync(&batch, &work.snapshot, Some(&told));
            Finished {
                work,
                due,
                outcomes,
            }
        });
        Self(task)
    }

    /// Waits for its end. Cancel-safe.
    ///
    /// # Errors
    /// When it broke down.
    pub(super) async fn finished(&mut self) -> Result<Finished, RunError> {
        let ended = (&mut self.0).await;
        ended.map_err(|error| RunError::of_host(format_args!("a pass broke down: {error}")))
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
