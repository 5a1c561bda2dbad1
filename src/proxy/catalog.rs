//! The resources of `conf.d`, and which keys each of them depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use renderer::options::{Dialect, Options};
use renderer::resource::{Gathering, LoadError, Resource};
use renderer::snapshot::{Subtree, ranges};
use renderer::{Loading, groups};

use super::debounce::DebounceSettings;
use super::schedule::Pace;

/// What is wrong below `conf.d`.
#[derive(Debug, Default)]
pub(super) struct ConfdirFaults {
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
    /// The other way round: the resources that read the tree below each key.
    readers: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl Catalog {
    /// Of what could be loaded. What could not, and what is odd, is said.
    #[must_use]
    pub(super) fn of(options: &Options, loading: Loading) -> (Self, ConfdirFaults) {
        let Loading {
            resources,
            errors,
            warnings,
        } = loading;
        let trees = resources.iter().map(|resource| {
            let prefix = options.prefix.as_deref().unwrap_or(&resource.prefix);
            ranges(prefix, &resource.keys)
        });
        let trees: Vec<_> = trees.collect();
        let catalog = Self {
            readers: readers(&trees),
            trees,
            resources: Arc::new(resources),
        };
        let warnings = match options.dialect {
            Dialect::Plain => warnings,
            // confd says nothing of them.
            Dialect::Confd => Vec::new(),
        };
        (catalog, ConfdirFaults { errors, warnings })
    }

    /// The resources, and what each reads.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Resource, &[Subtree])> {
        let trees = self.trees.iter().map(Vec::as_slice);
        self.resources.iter().zip(trees)
    }

    /// What a resource reads.
    pub(super) fn trees_of(&self, number: usize) -> &[Subtree] {
        &self.trees[number]
    }

    /// Their files.
    #[must_use]
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        let files = self.resources.iter().map(|resource| resource.file.clone());
        files.collect()
    }

    /// The number of that very resource.
    #[must_use]
    pub(super) fn number_of(&self, resource: &Resource) -> Option<usize> {
        let mut resources = self.resources.iter();
        resources.position(|other| other == resource)
    }

    /// What all of them read, each tree once. They may lie in each other.
    #[must_use]
    pub(super) fn trees(&self) -> Vec<Subtree> {
        let trees: BTreeSet<_> = self.trees.iter().flatten().cloned().collect();
        trees.into_iter().collect()
    }

    /// The number of each resource's group: those that share a command are one.
    #[must_use]
    pub(super) fn groups(&self) -> Vec<usize> {
        let mut group_of = vec![0; self.resources.len()];
        for (group, numbers) in groups(self.resources.iter()).into_iter().enumerate() {
            for number in numbers {
                group_of[number] = group;
            }
        }
        group_of
    }

    /// These resources, which are in order, group by group.
    #[must_use]
    pub(super) fn by_group(&self, numbers: Vec<usize>) -> Vec<Vec<usize>> {
        let group_of = self.groups();
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in numbers {
            groups.entry(group_of[number]).or_default().push(number);
        }
        groups.into_values().collect()
    }

    /// Of each group. `usual`: how changes are gathered where a resource does not say.
    #[must_use]
    pub(super) fn paces(&self, usual: DebounceSettings) -> Vec<Pace> {
        let mut paces: BTreeMap<usize, Pace> = BTreeMap::new();
        for (group, resource) in self.groups().into_iter().zip(self.resources.iter()) {
            let own = pace(resource, usual);
            let pace = paces.entry(group).or_insert(own);
            *pace = pace.slower(own);
        }
        paces.into_values().collect()
    }

    /// The resources that read `key`.
    pub(super) fn concerned_by(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        tops(key)
            .filter_map(|top| self.readers.get(top))
            .flatten()
            .copied()
    }
}

/// By the key at each tree's top; the tree of all keys has an empty one.
fn readers(trees: &[Vec<Subtree>]) -> BTreeMap<Vec<u8>, Vec<usize>> {
    let mut readers: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for (number, trees) in trees.iter().enumerate() {
        for tree in trees {
            let top = tree.key().unwrap_or_default();
            readers.entry(top.into()).or_default().push(number);
        }
    }
    readers
}

/// The tops of all trees that `key` may be in, from the outside in.
fn tops(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = key.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let itself = (!key.is_empty()).then_some(key);
    slashes.map(|(at, _)| &key[..at]).chain(itself)
}

fn pace(resource: &Resource, usual: DebounceSettings) -> Pace {
    let own = resource
        .debounce
        .map(|Gathering { quiet, max }| DebounceSettings { quiet, max });
    Pace {
        debounce: own.unwrap_or(usual),
        min_reload_interval: resource.min_reload_interval.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of resources with these lines, in this order.
    fn loaded(options: &Options, resources: &[&str]) -> (Catalog, ConfdirFaults) {
        let dir = tempfile::tempdir().expect("directory");
        let confd = dir.path().join("conf.d");
        std::fs::create_dir(&confd).expect("conf.d");
        for (number, lines) in resources.iter().enumerate() {
            let text = format!("[template]\nsrc = \"a\"\ndest = \"/tmp/{number}\"\n{lines}\n");
            std::fs::write(confd.join(format!("{number}.toml")), text).expect("resource");
        }
        Catalog::of(options, renderer::load_all(dir.path()))
    }

    fn sound(options: &Options, resources: &[&str]) -> Catalog {
        let (catalog, faults) = loaded(options, resources);
        assert!(faults.errors.is_empty(), "{:?}", faults.errors);
        catalog
    }

    fn prefixes(catalog: &Catalog) -> Vec<String> {
        catalog.trees().iter().map(Subtree::prefix).collect()
    }

    fn concerned(catalog: &Catalog, key: &str) -> Vec<usize> {
        catalog.concerned_by(key.as_bytes()).collect()
    }

    #[test]
    fn resources_that_share_a_reload_are_a_group_and_each_other_is_one_of_its_own() {
        let catalog = sound(
            &Options::default(),
            &[
                "",
                "reload_cmd = 'reload nginx'",
                "reload_cmd = 'reload haproxy'",
                "",
                "reload_cmd = 'reload nginx'",
                "reload_cmd = 'reload {{.dest}}'",
                "reload_cmd = 'reload {{.dest}}'",
            ],
        );
        assert_eq!(catalog.groups(), [0, 1, 2, 3, 1, 4, 5]);
        assert_eq!(
            catalog.by_group(vec![0, 1, 3, 4]),
            [vec![0], vec![1, 4], vec![3]]
        );
    }

    #[test]
    fn a_key_concerns_the_resources_that_read_it() {
        let catalog = sound(
            &Options::default(),
            &[
                "keys = ['/a']",
                "keys = ['/b', '/c']",
                "prefix = '/a'\nkeys = ['/d']",
            ],
        );
        assert_eq!(concerned(&catalog, "/a/x"), [0]);
        assert_eq!(concerned(&catalog, "/c"), [1]);
        assert_eq!(concerned(&catalog, "/a/d"), [0, 2]);
        assert_eq!(concerned(&catalog, "/d"), [0; 0]);
    }

    proptest! {
        #[test]
        fn who_is_concerned_is_who_reads_a_tree_that_has_the_key(
            trees in prop::collection::vec(prop::collection::vec("(/[ab]{0,2}){0,3}", 0..4), 0..6),
            key in "/?([ab]{0,2}/){0,3}[ab]{0,2}",
        ) {
            let trees: Vec<_> = trees.iter().map(|keys| ranges("", keys)).collect();
            let reads = |(number, trees): (usize, &Vec<Subtree>)| {
                let has_it = trees.iter().any(|tree| tree.contains(key.as_bytes()));
                has_it.then_some(number)
            };
            let expected: Vec<_> = trees.iter().enumerate().filter_map(reads).collect();
            let catalog = Catalog {
                resources: Arc::default(),
                readers: readers(&trees),
                trees,
            };
            let mut concerned = concerned(&catalog, &key);
            concerned.sort_unstable();
            prop_assert_eq!(concerned, expected);
        }
    }

    #[test]
    fn what_all_of_them_read_is_read_once() {
        let catalog = sound(
            &Options::default(),
            &["keys = ['/a/b', '/c']", "keys = ['/a', '/c']"],
        );
        assert_eq!(prefixes(&catalog), ["/a/", "/a/b/", "/c/"]);
    }

    #[test]
    fn a_prefix_for_all_takes_the_place_of_each_resource_s_own() {
        let options = Options {
            prefix: Some("/prod".to_owned()),
            ..Options::default()
        };
        let catalog = sound(&options, &["keys = ['/a']", "prefix = '/b'\nkeys = ['/c']"]);
        assert_eq!(prefixes(&catalog), ["/prod/a/", "/prod/c/"]);
    }

    #[test]
    fn what_is_wrong_is_said_and_what_is_odd_too_unless_confd_says_nothing_of_it() {
        let files = ["surprise = 1", "keys = 1", ""];
        for (dialect, warnings) in [(Dialect::Plain, 1), (Dialect::Confd, 0)] {
            let options = Options {
                dialect,
                ..Options::default()
            };
            let (catalog, faults) = loaded(&options, &files);
            assert_eq!(catalog.resources.len(), 2);
            assert_eq!(faults.errors.len(), 1, "{:?}", faults.errors);
            assert_eq!(faults.warnings.len(), warnings, "{:?}", faults.warnings);
        }
    }
}
