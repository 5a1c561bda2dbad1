//! Reading what others registered.

use std::collections::HashMap;

use etcd_client::GetOptions;

use super::connection::Connection;
use super::error::EtcdError;
use super::key::seconds_of;
use crate::registration::LeaseId;

/// One key below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// The lease that holds it and how much of its TTL is left.
    pub lease: Option<(LeaseId, std::time::Duration)>,
}

/// The key `prefix` and all below `prefix/`, sorted.
///
/// # Errors
/// [`EtcdError`].
pub async fn list(connection: &Connection, prefix: &str) -> Result<Vec<Entry>, EtcdError> {
    let mut client = connection.client.clone();
    let bare = prefix.trim_end_matches('/');
    let mut keys = Vec::new();
    // Two reads rather than one of the bare prefix: a role on `prefix/` is enough for the second.
    if !bare.is_empty() && prefix == bare {
        keys.extend(connection.call(client.get(bare, None)).await?.take_kvs());
    }
    let below = Some(GetOptions::new().with_prefix());
    keys.extend(
        connection
            .call(client.get(format!("{bare}/"), below))
            .await?
            .take_kvs(),
    );

    let mut time_left = HashMap::new();
    let mut entries = Vec::with_capacity(keys.len());
    for kv in keys {
        let id = kv.lease();
        if id != 0 && !time_left.contains_key(&id) {
            let answer = connection.call(client.lease_time_to_live(id, None)).await?;
            time_left.insert(id, seconds_of(answer.ttl()));
        }
        let lease = time_left.get(&id).map(|left| (id, *left));
        let (key, value) = kv.into_key_value();
        entries.push(Entry { key, value, lease });
    }
    Ok(entries)
}
