//! Whether all endpoints belong to one cluster.

use std::collections::BTreeMap;

use super::finding::Finding;

/// None if they do, as far as they tell. A cluster's id with each URL.
pub(super) fn examine<'u>(
    endpoints: impl Iterator<Item = (&'u str, Option<u64>)>,
) -> Option<Finding> {
    let mut clusters = BTreeMap::<u64, Vec<&str>>::new();
    for (url, cluster) in endpoints {
        if let Some(cluster) = cluster {
            clusters.entry(cluster).or_default().push(url);
        }
    }
    if clusters.len() < 2 {
        return None;
    }
    let listed = clusters.iter();
    let listed = listed.map(|(id, urls)| format!("{id:x} ({})", urls.join(", ")));
    let listed: Vec<_> = listed.collect();
    Some(Finding::warning(
        "etcd: cluster",
        format!(
            "the endpoints belong to {} clusters: {}",
            clusters.len(),
            listed.join(", ")
        ),
        "list the members of one cluster only: each has keys of its own",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_two_clusters_are_told_apart() {
        let ids = |ids: &[Option<u64>]| {
            let urls = ["http://a", "http://b", "http://c"];
            examine(urls.into_iter().zip(ids.iter().copied()))
        };
        assert_eq!(ids(&[Some(7), None, Some(7)]), None);
        let found = ids(&[Some(7), Some(10), Some(7)]).expect("two clusters");
        assert_eq!(
            found.message,
            "the endpoints belong to 2 clusters: 7 (http://a, http://c), a (http://b)"
        );
    }
}
