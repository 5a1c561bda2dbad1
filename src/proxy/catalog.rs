//! The resources of `conf.d`, and which keys each of them depends on.

use std::collections::BTreeMap;
use std::sync::Arc;

use renderer::Loading;
use renderer::options::{Dialect, Options};
use renderer::resource::{LoadError, Resource};
use renderer::snapshot::{Subtree, ranges, without_overlaps};

/// What is wrong below `conf.d`.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) errors: Vec<LoadError>,
    /// Of files that hold a resource all the same.
    pub(super) warnings: Vec<LoadError>,
}

/// What there is to render.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) resources: Arc<Vec<Resource>>,
    /// What each resource reads.
    trees: Vec<Vec<Subtree>>,
}

impl Catalog {
    /// Of what could be loaded. What could not, and what is odd, is said.
    #[must_use]
    pub(super) fn of(options: &Options, loading: Loading) -> (Self, Faults) {
        let Loading {
            resources,
            errors,
            warnings,
        } = loading;
        let trees = resources.iter().map(|resource| {
            let prefix = options.prefix.as_deref().unwrap_or(&resource.prefix);
            ranges(prefix, &resource.keys)
        });
        let catalog = Self {
            trees: trees.collect(),
            resources: Arc::new(resources),
        };
        let warnings = match options.dialect {
            Dialect::Plain => warnings,
            // confd says nothing of them.
            Dialect::Confd => Vec::new(),
        };
        (catalog, Faults { errors, warnings })
    }

    /// What all of them read together, without overlaps.
    #[must_use]
    pub(super) fn trees(&self) -> Vec<Subtree> {
        without_overlaps(self.trees.iter().flatten().cloned().collect())
    }

    /// The number of each resource's group: those that share a reload are one.
    #[must_use]
    pub(super) fn groups(&self) -> Vec<usize> {
        let mut known = BTreeMap::new();
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let groups = self
            .resources
            .iter()
            .map(|resource| match resource.shared_reload() {
                Some(command) => *known.entry(command).or_insert_with(&mut next),
                None => next(),
            });
        groups.collect()
    }

    /// The resources that read `key`.
    pub(super) fn concerned_by(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let reads = move |trees: &Vec<Subtree>| trees.iter().any(|tree| tree.contains(key));
        let numbered = self.trees.iter().enumerate();
        numbered.filter_map(move |(number, trees)| reads(trees).then_some(number))
    }
}
