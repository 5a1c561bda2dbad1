//! The passes under way, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use renderer::resource::Resource;

use crate::exit::RunError;
use crate::world::{Finished, Pass};

/// As many at one time; each may wait for a command.
const MOST: usize = 128;

/// A pass's number, and what came of it.
type Ended = (u64, Result<Finished, RunError>);

#[derive(Default)]
pub(super) struct Passes {
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Ended>>>>,
    /// Which files each is over.
    dests: BTreeMap<u64, Vec<PathBuf>>,
    last: u64,
}

impl Passes {
    /// How many more may be begun.
    pub(super) fn room(&self) -> usize {
        MOST - self.dests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dests.is_empty()
    }

    pub(super) fn begin(
        &mut self,
        mut pass: impl Pass + 'static,
        resources: &Arc<Vec<Resource>>,
        due: &[usize],
    ) {
        self.last += 1;
        let number = self.last;
        let dests = due.iter().map(|due| resources[*due].dest.clone());
        self.dests.insert(number, dests.collect());
        let ended = async move { (number, pass.finished().await) };
        self.under_way.push(Box::pin(ended));
    }

    /// Which of the resources are under way, as one of these or one of before.
    pub(super) fn over(&self, resources: &[Resource]) -> Vec<usize> {
        let dests: BTreeSet<_> = self.dests.values().flatten().collect();
        let numbered = resources.iter().enumerate();
        numbered
            .filter(|(_, resource)| dests.contains(&resource.dest))
            .map(|(number, _)| number)
            .collect()
    }

    /// Waits for the end of one; for ever if there are none. Cancel-safe.
    ///
    /// # Errors
    /// When it broke down.
    pub(super) async fn next(&mut self) -> Result<Finished, RunError> {
        match self.under_way.next().await {
            Some((number, finished)) => {
                self.dests.remove(&number);
                finished
            }
            None => std::future::pending().await,
        }
    }
}
