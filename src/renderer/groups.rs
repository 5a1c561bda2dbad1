//! Which resources go together.

use std::collections::BTreeMap;

use crate::resource::Resource;

/// The numbers of those that share a reload, counted from 0 and in order; groups in the order of the
/// first of each. A resource that shares none is a group of its own.
#[must_use]
pub fn groups<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_command = BTreeMap::new();
    for (number, resource) in resources.into_iter().enumerate() {
        let group = match resource.shared_reload() {
            Some(command) => *of_command.entry(command).or_insert(groups.len()),
            None => groups.len(),
        };
        match groups.get_mut(group) {
            Some(group) => group.push(number),
            None => groups.push(vec![number]),
        }
    }
    groups
}
