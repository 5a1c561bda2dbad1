//! Everything that was read, at one revision, and what of it concerns one resource.

use std::collections::BTreeMap;

use gotemplate::Str;
use gotemplate::library::path;

/// Keys and values as etcd holds them at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Full keys, sorted bytewise.
    pub entries: BTreeMap<Str, Str>,
    /// The revision that `entries` show.
    pub revision: i64,
}

impl Snapshot {
    /// Sets `key`. Whether that changed its value.
    pub fn put(&mut self, key: Str, value: Str) -> bool {
        let before = self.entries.insert(key, value.clone());
        before.is_none_or(|before| before != value)
    }

    /// Removes `key`. Whether it was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.entries.remove(key).is_some()
    }
}

/// A key and all keys below it. `/services` and `/services/a`, but not `/services2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subtree {
    /// Clean, and without a final slash: empty for the tree of all keys.
    root: String,
}

impl Subtree {
    fn new(prefix: &str, key: &str) -> Self {
        let path = path::join(&[b"/", prefix.as_bytes(), key.as_bytes()]);
        let root = path.strip_suffix(b"/").unwrap_or(&path);
        Self {
            root: String::from_utf8_lossy(root).into_owned(),
        }
    }

    /// The key at its top. The tree of all keys has none.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        Some(self.root.as_str()).filter(|root| !root.is_empty())
    }

    /// What all keys below the top begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}/", self.root)
    }

    /// The trees that it lies in, from the inside out, the tree of all keys included.
    pub fn outer(&self) -> impl Iterator<Item = Self> {
        let root = self.root.clone();
        let ends = self.root.rmatch_indices('/').map(|(at, _)| at);
        let ends: Vec<_> = ends.collect();
        ends.into_iter().map(move |end| Self {
            root: root[..end].to_owned(),
        })
    }

    /// Whether `key` is its top or below.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match key.strip_prefix(self.root.as_bytes()) {
            Some(rest) => rest.first().is_none_or(|&byte| byte == b'/') && !key.is_empty(),
            None => false,
        }
    }
}

/// What a resource reads, without overlaps: each of `keys` below `prefix`.
#[must_use]
pub fn ranges(prefix: &str, keys: &[String]) -> Vec<Subtree> {
    without_overlaps(keys.iter().map(|key| Subtree::new(prefix, key)).collect())
}

/// The same keys, each in one tree only.
fn without_overlaps(mut all: Vec<Subtree>) -> Vec<Subtree> {
    // A tree sorts behind the tree that it is part of.
    all.sort();
    let mut outermost: Vec<Subtree> = Vec::new();
    for tree in all {
        let root = tree.root.as_bytes();
        if !outermost
            .iter()
            .any(|kept| kept == &tree || kept.contains(root))
        {
            outermost.push(tree);
        }
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(ToString::to_string).collect()
    }

    /// Whether a resource that reads these reads `key`.
    fn concerns(prefix: &str, of: &[String], key: &[u8]) -> bool {
        ranges(prefix, of).iter().any(|tree| tree.contains(key))
    }

    /// Each range as `key|prefix`.
    fn shown(prefix: &str, of: &[&str]) -> Vec<String> {
        ranges(prefix, &keys(of))
            .iter()
            .map(|tree| format!("{}|{}", tree.key().unwrap_or("none"), tree.prefix()))
            .collect()
    }

    #[test]
    fn a_put_of_the_same_value_changes_nothing() {
        let mut snapshot = Snapshot::default();
        assert!(snapshot.put("/a".into(), "1".into()));
        assert!(!snapshot.put("/a".into(), "1".into()));
        assert!(snapshot.put("/a".into(), "2".into()));
        assert!(snapshot.delete(b"/a"));
        assert!(!snapshot.delete(b"/a"));
        assert_eq!(snapshot, Snapshot::default());
    }

    #[test]
    fn a_range_is_the_exact_key_and_what_is_below_it() {
        assert_eq!(shown("", &["/services"]), ["/services|/services/"]);
        assert_eq!(
            shown("/prod", &["services/"]),
            ["/prod/services|/prod/services/"]
        );
        assert_eq!(shown("prod//", &["/a/../b"]), ["/prod/b|/prod/b/"]);
        assert_eq!(shown("/prod", &[""]), ["/prod|/prod/"]);
    }

    #[test]
    fn a_tree_lies_in_those_above_it() {
        let outer_of = |key: &str| -> Vec<String> {
            let trees = ranges("", &keys(&[key]));
            trees[0].outer().map(|outer| outer.prefix()).collect()
        };
        assert_eq!(outer_of("/a/b-c/d"), ["/a/b-c/", "/a/", "/"]);
        assert_eq!(outer_of("/a"), ["/"]);
        assert_eq!(outer_of("/"), [""; 0]);
    }

    #[test]
    fn the_root_is_all_keys() {
        assert_eq!(shown("", &["/"]), ["none|/"]);
        assert_eq!(shown("/", &["/"]), ["none|/"]);
        assert!(concerns("", &keys(&["/"]), b"/anything"));
        assert!(!concerns("", &keys(&["/"]), b"no/slash"));
    }

    #[test]
    fn ranges_do_not_overlap() {
        assert_eq!(
            shown("", &["/a/b", "/a-b", "/a", "/a", "/a/b/c"]),
            ["/a|/a/", "/a-b|/a-b/"]
        );
        assert_eq!(shown("", &["/a", "/"]), ["none|/"]);
    }

    #[test]
    fn a_neighbour_with_the_same_beginning_does_not_concern() {
        let services = keys(&["/services"]);
        assert!(concerns("", &services, b"/services"));
        assert!(concerns("", &services, b"/services/a"));
        assert!(!concerns("", &services, b"/services2"));
        assert!(!concerns("", &services, b"/service"));
        assert!(!concerns("/prod", &services, b"/services/a"));
        assert!(concerns("/prod", &services, b"/prod/services/a"));
    }
}
