//! What one template sees: the keys that its resource names, without their prefix.

use std::ops::Bound;

use crate::snapshot::{Snapshot, Subtree, ranges};
use gotemplate::Str;
use gotemplate::library::path;
use gotemplate::library::pattern::Pattern;

/// Keys and values, sorted by key, each key once.
#[derive(Debug, Default)]
pub struct Store {
    entries: Vec<(Str, Str)>,
}

impl Store {
    /// The entries of `snapshot` at and below `prefix` joined with each of `keys`, as confd picks
    /// and names them.
    #[must_use]
    pub fn select(snapshot: &Snapshot, prefix: &str, keys: &[String]) -> Self {
        let absolute = format!("/{}", prefix.strip_prefix('/').unwrap_or(prefix));
        let mut entries = Vec::new();
        // A key that had to be cleaned does not hide one that is written so.
        let mut cleaned = Vec::new();
        for tree in ranges(prefix, keys) {
            let top = tree.key().unwrap_or_default().len();
            for (key, value) in below(snapshot, &tree) {
                let is_clean = match &key[top..] {
                    b"" => true,
                    b"/" => top == 0,
                    rest => path::is_clean(rest),
                };
                if is_clean {
                    entries.push((name(key, absolute.as_bytes()), value.clone()));
                } else {
                    cleaned.push((clean_name(key, absolute.as_bytes()), value.clone()));
                }
            }
        }
        entries.append(&mut cleaned);
        if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|(next, _), (one, _)| next == one);
        }
        Self { entries }
    }

    /// All entries, sorted by key.
    #[must_use]
    pub fn entries(&self) -> &[(Str, Str)] {
        &self.entries
    }

    /// The entry of exactly this key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&(Str, Str)> {
        let at = self.entries.binary_search_by(|(name, _)| name[..].cmp(key));
        at.ok().and_then(|at| self.entries.get(at))
    }

    /// The entries whose keys begin with `beginning`.
    pub(crate) fn beginning(&self, beginning: &[u8]) -> &[(Str, Str)] {
        let start = self.entries.partition_point(|(key, _)| key < beginning);
        let from = self.entries.get(start..).unwrap_or_default();
        let length = from.partition_point(|(key, _)| key.starts_with(beginning));
        from.get(..length).unwrap_or_default()
    }

    /// The entries whose keys match.
    pub(crate) fn matching<'a, 'p>(
        &'a self,
        pattern: &'p Pattern,
    ) -> impl Iterator<Item = &'a (Str, Str)> + use<'a, 'p> {
        self.beginning(pattern.beginning())
            .iter()
            .filter(|(key, _)| pattern.matches(key))
    }

    /// Keeps what `keep` accepts.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Str, &Str) -> bool) {
        self.entries.retain(|(key, value)| keep(key, value));
    }
}

/// The entries of a tree, sorted by key.
fn below<'a>(snapshot: &'a Snapshot, tree: &Subtree) -> impl Iterator<Item = (&'a Str, &'a Str)> {
    let prefix = tree.prefix();
    let top = tree
        .key()
        .and_then(|key| snapshot.entries.get_key_value(key.as_bytes()));
    let from = (Bound::Included(prefix.as_bytes()), Bound::Unbounded);
    let rest = snapshot.entries.range::<[u8], _>(from);
    top.into_iter()
        .chain(rest.take_while(move |(key, _)| key.starts_with(prefix.as_bytes())))
}

/// A clean key without `prefix`, as a path.
fn name(key: &Str, prefix: &[u8]) -> Str {
    let cut = if key.starts_with(prefix) {
        prefix.len()
    } else {
        0
    };
    // The prefix may end in the slash that the rest begins with.
    let slash = [cut, cut.saturating_sub(1)]
        .into_iter()
        .find(|&at| key.get(at) == Some(&b'/'));
    match slash {
        Some(at) => key.slice(at..),
        None => clean_name(key, prefix),
    }
}

/// Any key without `prefix`, as a clean path.
fn clean_name(key: &Str, prefix: &[u8]) -> Str {
    let rest = key.strip_prefix(prefix).unwrap_or(key);
    path::join(&[b"/", rest]).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn snapshot(entries: &[(&str, &str)]) -> Snapshot {
        let entries = entries.iter().map(|(key, value)| {
            let pair = (key.to_string(), value.to_string());
            (Str::from(pair.0), Str::from(pair.1))
        });
        Snapshot {
            entries: entries.collect(),
            revision: 1,
        }
    }

    fn selected(entries: &[(&str, &str)], prefix: &str, keys: &[&str]) -> Vec<String> {
        let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
        let store = Store::select(&snapshot(entries), prefix, &keys);
        let shown = store.entries().iter().map(|(key, value)| {
            format!(
                "{}={}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            )
        });
        shown.collect()
    }

    #[test]
    fn a_key_is_itself_and_what_is_below_it() {
        let entries = [
            ("/services", "top"),
            ("/services-old/x", "1"),
            ("/services/a", "2"),
            ("/services/b/c", "3"),
            ("/services2", "4"),
            ("services/d", "5"),
        ];
        assert_eq!(
            selected(&entries, "", &["/services"]),
            ["/services=top", "/services/a=2", "/services/b/c=3"]
        );
        assert_eq!(selected(&entries, "", &["services/"]).len(), 3);
        assert_eq!(selected(&entries, "", &["/services/a"]), ["/services/a=2"]);
        assert_eq!(selected(&entries, "", &["/"]).len(), 5);
        assert_eq!(selected(&entries, "/", &["/"]).len(), 5);
        assert_eq!(selected(&entries, "", &[]), [""; 0]);
    }

    #[test]
    fn the_prefix_is_not_part_of_the_keys() {
        let entries = [
            ("/prod/app/a", "1"),
            ("/prod/app/b", "2"),
            ("/test/app/a", "3"),
        ];
        for prefix in ["/prod", "prod", "/prod/", "prod/"] {
            let seen = selected(&entries, prefix, &["/app"]);
            assert_eq!(seen, ["/app/a=1", "/app/b=2"], "{prefix}");
        }
        assert_eq!(
            selected(&entries, "/prod", &["/"]),
            ["/app/a=1", "/app/b=2"]
        );
        assert_eq!(selected(&entries, "/prod/app/a", &["/"]), ["/=1"]);
    }

    #[test]
    fn a_prefix_that_is_not_clean_stays_part_of_the_keys() {
        let entries = [("/prod/app/a", "1")];
        assert_eq!(selected(&entries, "//prod", &["/app"]), ["/prod/app/a=1"]);
    }

    #[test]
    fn overlapping_keys_give_each_entry_once() {
        let entries = [("/a", "1"), ("/a-b", "2"), ("/a/b", "3"), ("/a/b/c", "4")];
        assert_eq!(
            selected(&entries, "", &["/a/b", "/a", "/a-b", "/a/b/c"]),
            ["/a=1", "/a-b=2", "/a/b=3", "/a/b/c=4"]
        );
    }

    #[test]
    fn keys_are_cleaned_and_do_not_hide_clean_ones() {
        let entries = [
            ("/a//b", "1"),
            ("/a/b", "2"),
            ("/a/b/", "3"),
            ("/a/./c", "4"),
            ("/a/c/", "5"),
        ];
        assert_eq!(selected(&entries, "", &["/a"]), ["/a/b=2", "/a/c=4"]);
    }

    #[test]
    fn values_are_found_by_key_by_beginning_and_by_pattern() {
        let entries = [
            ("/a", "1"),
            ("/a-b", "2"),
            ("/a/b", "3"),
            ("/a/b/c", "4"),
            ("/b", "5"),
        ];
        let store = Store::select(&snapshot(&entries), "", &["/".to_owned()]);
        let values = |found: Vec<&(Str, Str)>| -> Vec<Str> {
            found.iter().map(|(_, value)| value.clone()).collect()
        };
        assert_eq!(store.get(b"/a/b").unwrap().1, "3");
        assert_eq!(store.get(b"/a/"), None);
        assert_eq!(values(store.beginning(b"/a/").iter().collect()), ["3", "4"]);
        assert_eq!(values(store.beginning(b"/c").iter().collect()), [""; 0]);
        let pattern = Pattern::parse(b"/*").unwrap();
        assert_eq!(values(store.matching(&pattern).collect()), ["1", "2", "5"]);
    }

    /// confd's definition, taken literally.
    fn naive(snapshot: &Snapshot, prefix: &str, keys: &[String]) -> BTreeMap<Str, Str> {
        let absolute = format!("/{}", prefix.strip_prefix('/').unwrap_or(prefix));
        let mut store = BTreeMap::new();
        let trees: Vec<_> = keys
            .iter()
            .map(|wanted| path::join(&[b"/", prefix.as_bytes(), wanted.as_bytes()]))
            .collect();
        for clean in [true, false] {
            for (key, value) in &snapshot.entries {
                let selected = |tree: &Vec<u8>| {
                    key == tree || tree == b"/" || key.starts_with(&[tree, &b"/"[..]].concat())
                };
                let rooted = key.starts_with(b"/");
                if path::is_clean(key) == clean && rooted && trees.iter().any(selected) {
                    let rest = key.strip_prefix(absolute.as_bytes()).unwrap_or(key);
                    let name = Str::from(path::join(&[b"/", rest]));
                    store.entry(name).or_insert(value.clone());
                }
            }
        }
        store
    }

    proptest! {
        #[test]
        fn agrees_with_confds_definition(
            entries in prop::collection::btree_map("/?[ab.]{0,2}(/[ab]{0,2}){0,3}/?", "[0-9]", 0..20),
            prefix in "/?([ab]{0,1}/?){0,2}",
            keys in prop::collection::vec("/?([ab.]?/){0,2}[ab]?", 0..3),
        ) {
            let entries: Vec<_> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let snapshot = snapshot(&entries);
            let store = Store::select(&snapshot, &prefix, &keys);
            let expected = naive(&snapshot, &prefix, &keys);
            prop_assert_eq!(store.entries().to_vec(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
