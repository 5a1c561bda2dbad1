//! Which resources go together.

use std::collections::BTreeMap;

use crate::resource::Resource;

/// A command that two resources have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bond<'a> {
    Reload(&'a str),
    Check(&'a str),
}

/// The numbers of those that must not be brought in step beside one another, counted from 0 and in
/// order: they share a reload or a check of swapped-in files, or each does with a third. Groups in the
/// order of the first of each. A resource that shares nothing is a group of its own.
#[must_use]
pub fn groups<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Vec<Vec<usize>> {
    bound(resources.into_iter().map(|resource| {
        let reload = resource.shared_reload().map(Bond::Reload);
        reload
            .into_iter()
            .chain(resource.shared_check().map(Bond::Check))
    }))
}

/// The same of those that one reload serves, and one transaction with it.
pub(crate) fn transactions<'a>(
    resources: impl IntoIterator<Item = &'a Resource>,
) -> Vec<Vec<usize>> {
    bound(resources.into_iter().map(Resource::shared_reload))
}

/// The connected components of what these bonds hold together.
fn bound<B: Ord>(bonds: impl Iterator<Item: IntoIterator<Item = B>>) -> Vec<Vec<usize>> {
    let mut forest = Forest::default();
    let mut first_with = BTreeMap::new();
    for (number, bonds) in bonds.enumerate() {
        forest.plant();
        for bond in bonds {
            let first = *first_with.entry(bond).or_insert(number);
            forest.join(first, number);
        }
    }
    forest.trees()
}

/// Each number's parent. A root is its own, and the first of its tree.
#[derive(Debug, Default)]
struct Forest(Vec<usize>);

impl Forest {
    fn plant(&mut self) {
        self.0.push(self.0.len());
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }

    /// On the way, each is hung up higher.
    fn root(&mut self, mut number: usize) -> usize {
        while self.0[number] != number {
            self.0[number] = self.0[self.0[number]];
            number = self.0[number];
        }
        number
    }

    fn trees(mut self) -> Vec<Vec<usize>> {
        let mut trees = BTreeMap::<usize, Vec<usize>>::new();
        for number in 0..self.0.len() {
            trees.entry(self.root(number)).or_default().push(number);
        }
        trees.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn resources(fields: &[&str]) -> Vec<Resource> {
        let dir = tempfile::tempdir().unwrap();
        let loaded = fields.iter().enumerate().map(|(number, fields)| {
            let file = dir.path().join(format!("{number}.toml"));
            let text = format!("[template]\nsrc = \"a\"\ndest = \"/tmp/{number}\"\n{fields}\n");
            fs::write(&file, text).unwrap();
            Resource::load(&file, dir.path()).unwrap()
        });
        loaded.collect()
    }

    #[test]
    fn a_resource_that_shares_nothing_is_alone() {
        let resources = resources(&["", "", "reload_cmd = 'r'", "check_cmd = 'r'"]);
        assert_eq!(groups(&resources), [[0], [1], [2], [3]]);
        assert_eq!(groups(&[]), [[0_usize; 0]; 0]);
    }

    #[test]
    fn a_shared_reload_and_a_shared_check_of_swapped_files_bind_also_by_way_of_others() {
        let resources = resources(&[
            "reload_cmd = 'r'",
            "check_cmd = 'other'",
            "check_cmd = 'c'\nreload_cmd = 's'",
            "check_cmd = 'c'\nreload_cmd = 'r'",
            "reload_cmd = 's'",
        ]);
        assert_eq!(groups(&resources), [vec![0, 2, 3, 4], vec![1]]);
        assert_eq!(transactions(&resources), [vec![0, 3], vec![1], vec![2, 4]]);
    }

    #[test]
    fn a_check_of_the_staged_file_and_one_that_names_its_file_bind_nobody() {
        for check in [
            "check_cmd = 'c {{.src}}'",
            "check_cmd = 'c {{.dest}}'",
            "check_cmd = 'c'\ncheck_swapped = false",
            "reload_cmd = 'r {{.dest}}'",
        ] {
            assert_eq!(groups(&resources(&[check, check])), [[0], [1]], "{check}");
        }
    }

    /// All that chains of bonds lead to.
    fn reached(bonds: &[Vec<usize>], from: usize) -> Vec<usize> {
        let mut reached = vec![from];
        let mut looked_at = 0;
        while let Some(&at) = reached.get(looked_at) {
            looked_at += 1;
            for (number, its) in bonds.iter().enumerate() {
                let is_bound = its.iter().any(|bond| bonds[at].contains(bond));
                if is_bound && !reached.contains(&number) {
                    reached.push(number);
                }
            }
        }
        reached.sort_unstable();
        reached
    }

    proptest! {
        #[test]
        fn groups_are_the_connected_components(
            bonds in prop::collection::vec(prop::collection::vec(0_usize..8, 0..3), 0..12),
        ) {
            let mut expected = Vec::new();
            for number in 0..bonds.len() {
                let group = reached(&bonds, number);
                if !expected.contains(&group) {
                    expected.push(group);
                }
            }
            prop_assert_eq!(bound(bonds.into_iter()), expected);
        }
    }
}
