//! The passes under way, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use renderer::groups;
use renderer::resource::Resource;

use crate::exit::RunError;
use crate::world::{Finished, Pass};

/// As many at one time; each may wait for a command.
const MOST: usize = 128;

/// A pass's number, and what came of it.
type Ended = (u64, Result<Finished, RunError>);

struct Over {
    resources: Arc<Vec<Resource>>,
    due: Vec<usize>,
}

#[derive(Default)]
pub(super) struct Passes {
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Ended>>>>,
    /// What each is over.
    over: BTreeMap<u64, Over>,
    last: u64,
}

impl Passes {
    /// How many more may be begun.
    pub(super) fn room(&self) -> usize {
        MOST - self.over.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.over.is_empty()
    }

    /// Whether the one that began last has ended.
    pub(super) fn is_last_over(&self) -> bool {
        !self.over.contains_key(&self.last)
    }

    pub(super) fn begin(
        &mut self,
        mut pass: impl Pass + 'static,
        resources: &Arc<Vec<Resource>>,
        due: &[usize],
    ) {
        self.last += 1;
        let number = self.last;
        let (resources, due) = (Arc::clone(resources), due.to_vec());
        self.over.insert(number, Over { resources, due });
        let ended = async move { (number, pass.finished().await) };
        self.under_way.push(Box::pin(ended));
    }

    /// Which of the resources are under way, or must not be brought in step beside one that was read
    /// of an earlier `conf.d` and is.
    pub(super) fn resources_at_work(&self, resources: &Arc<Vec<Resource>>) -> BTreeSet<usize> {
        let (mut at_work, mut former) = (BTreeSet::new(), Vec::new());
        for over in self.over.values() {
            if Arc::ptr_eq(&over.resources, resources) {
                at_work.extend(&over.due);
            } else {
                former.extend(over.due.iter().map(|due| &over.resources[*due]));
            }
        }
        if !former.is_empty() {
            at_work.extend(bound_to(&former, resources));
        }
        at_work
    }

    /// Waits for the end of one; for ever if there are none. Cancel-safe.
    ///
    /// # Errors
    /// When it broke down.
    pub(super) async fn next(&mut self) -> Result<Finished, RunError> {
        match self.under_way.next().await {
            Some((number, finished)) => {
                self.over.remove(&number);
                finished
            }
            None => std::future::pending().await,
        }
    }
}

/// Which of `resources` share a file or, as in [`groups`], a command with one of `former`.
fn bound_to(former: &[&Resource], resources: &[Resource]) -> Vec<usize> {
    let dests: BTreeSet<_> = former.iter().map(|resource| &resource.dest).collect();
    let numbered = resources.iter().enumerate();
    let same_dest = numbered.filter(|(_, resource)| dests.contains(&resource.dest));
    let groups = groups(former.iter().copied().chain(resources));
    let with_former = groups
        .into_iter()
        .filter(|group| group.iter().any(|number| *number < former.len()));
    let same_command = with_former
        .flatten()
        .filter_map(|number| number.checked_sub(former.len()));
    same_dest
        .map(|(number, _)| number)
        .chain(same_command)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of resources with these lines.
    fn loaded(resources: &[&str]) -> Arc<Vec<Resource>> {
        let confdir = tempfile::tempdir().unwrap();
        std::fs::create_dir(confdir.path().join("conf.d")).unwrap();
        for (number, lines) in resources.iter().enumerate() {
            let file = confdir.path().join(format!("conf.d/{number}.toml"));
            let text = format!("[template]\nsrc = 'a'\nkeys = []\n{lines}");
            std::fs::write(file, text).unwrap();
        }
        let loading = renderer::load_all(confdir.path());
        assert!(loading.errors.is_empty(), "{:?}", loading.errors);
        Arc::new(loading.resources)
    }

    struct Unending;

    impl Pass for Unending {
        async fn finished(&mut self) -> Result<Finished, RunError> {
            std::future::pending().await
        }
    }

    fn at_work(before: &Arc<Vec<Resource>>, due: &[usize], now: &Arc<Vec<Resource>>) -> Vec<usize> {
        let mut passes = Passes::default();
        passes.begin(Unending, before, due);
        passes.resources_at_work(now).into_iter().collect()
    }

    const SHARED: &str = "reload_cmd = 'reload'";

    #[test]
    fn what_a_pass_is_over_is_at_work() {
        let resources = loaded(&["dest = '/a'", "dest = '/b'", "dest = '/c'"]);
        assert_eq!(at_work(&resources, &[0, 2], &resources), [0, 2]);
    }

    #[test]
    fn a_file_of_an_earlier_conf_d_is_at_work_whatever_becomes_of_it_now() {
        let before = loaded(&["dest = '/a'", "dest = '/b'"]);
        let now = loaded(&["dest = '/c'", "dest = '/a'\nmode = '0600'"]);
        assert_eq!(at_work(&before, &[0], &now), [1]);
    }

    #[test]
    fn what_shares_a_command_with_one_that_has_left_its_group_waits_for_that_one() {
        let before = loaded(&[
            &format!("dest = '/a'\n{SHARED}"),
            &format!("dest = '/b'\n{SHARED}"),
        ]);
        let now = loaded(&[
            "dest = '/a'",
            &format!("dest = '/b'\n{SHARED}"),
            "dest = '/c'",
        ]);
        assert_eq!(at_work(&before, &[0], &now), [0, 1]);
    }
}
