//! Whether we may do with keys what we would. A write is asked for on a condition that never holds: etcd
//! looks whether we may, and writes nothing.

use std::path::Path;
use std::rc::Rc;

use renderer::resource::Resource;
use renderer::snapshot;

use super::advice;
use super::etcd::ExaminedEtcd;
use super::finding::Finding;
use super::step::told;
use super::turn::{ask, each};
use crate::config::ServiceConfig;
use crate::etcd::announcement::Announcement;
use crate::etcd::api::{Answer, Call, Condition, KeyRange, Read, What};
use crate::etcd::error::{EtcdError, Problem};
use crate::etcd::progress;
use crate::etcd::wire::WireLink;
use crate::registration::Revision;

/// At which nothing was ever written.
const NEVER: Revision = Revision::MAX;

const NO_LEASE: i64 = 0;

const NOBODY_SERVES: &str = "no endpoint of etcd serves us";

pub(super) async fn of_services(etcd: &ExaminedEtcd, services: &[ServiceConfig]) -> Vec<Finding> {
    let name = |service: &&ServiceConfig| format!("service {}: rights", service.announcement.key);
    each(services, name, async |service| {
        let name = name(service);
        let Some(link) = &etcd.link else {
            return vec![Finding::skipped(name, NOBODY_SERVES)];
        };
        let key = &service.announcement.key;
        vec![match of_service(link, &service.announcement).await {
            Ok(()) => Finding::ok(name, "may read, put and delete it"),
            Err((what, error)) => {
                missing(name, what, key, &error, etcd.user.as_deref(), "readwrite")
            }
        }]
    })
    .await
}

/// What failed, and how.
async fn of_service(
    link: &WireLink,
    announcement: &Announcement,
) -> Result<(), (&'static str, EtcdError)> {
    let key = KeyRange::exactly(&announcement.key);
    let announcement = Rc::new(announcement.clone());
    let put = Call::Put {
        announcement: Rc::clone(&announcement),
        lease: NO_LEASE,
        unchanged_since: NEVER,
    };
    let delete = Call::Delete {
        announcement,
        when: Condition::UnchangedSince(NEVER),
    };
    for (what, call) in [("read", is_there(key)), ("put", put), ("delete", delete)] {
        ask(link, &call).await.map_err(|error| (what, error))?;
    }
    Ok(())
}

pub(super) async fn of_resources(
    etcd: &ExaminedEtcd,
    resources: &[Resource],
    prefix: Option<&str>,
) -> Vec<Finding> {
    let name = |resource: &&Resource| format!("resource {}: rights", shown(&resource.file));
    each(resources, name, async |resource| {
        let name = name(resource);
        let Some(link) = &etcd.link else {
            return vec![Finding::skipped(name, NOBODY_SERVES)];
        };
        let prefix = prefix.unwrap_or(&resource.prefix);
        let user = etcd.user.as_deref();
        let mut findings = Vec::new();
        for tree in snapshot::ranges(prefix, &resource.keys) {
            findings.push(of_tree(link, &name, &tree, user).await);
        }
        findings
    })
    .await
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

/// No more than one key is read, without its value.
async fn of_tree(
    link: &WireLink,
    name: &str,
    tree: &snapshot::Subtree,
    user: Option<&str>,
) -> Finding {
    let mut is_empty = true;
    for range in progress::ranges(tree) {
        match ask(link, &is_there(range)).await {
            Ok(Answer::Page(page)) => is_empty &= page.entries.is_empty(),
            Ok(_) => {}
            Err(error) => {
                return missing(
                    name.to_owned(),
                    "read",
                    &tree.prefix(),
                    &error,
                    user,
                    "--prefix=true read",
                );
            }
        }
    }
    let prefix = tree.prefix();
    let none = if is_empty {
        "; no key is there yet"
    } else {
        ""
    };
    Finding::ok(name, format!("may read {prefix}{none}"))
}

fn is_there(range: KeyRange) -> Call {
    Call::Read(Read {
        range,
        revision: 0,
        limit: 1,
        what: What::KeysOnly,
        serializable: false,
    })
}

/// `right` is for etcdctl, as in `readwrite`.
fn missing(
    name: String,
    what: &str,
    key: &str,
    error: &EtcdError,
    user: Option<&str>,
    right: &str,
) -> Finding {
    if error.problem != Problem::Denied {
        let message = format!("cannot {what} {key}: {}", told(error));
        return Finding::fault(name, message, advice::for_etcd(error));
    }
    let of_whom = match user {
        Some(user) => format!("a role of user {user:?}"),
        None => "a role of our user".to_owned(),
    };
    Finding::fault(
        name,
        format!("may not {what} {key}: {}", error.reason),
        format!("grant it to {of_whom}: etcdctl role grant-permission ROLE {right} {key}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_lacks_is_named_with_the_command_that_grants_it() {
        let lacks = |problem, user| {
            let error = EtcdError::new("http://e", problem, "permission denied");
            missing(
                "service /a/b: rights".to_owned(),
                "put",
                "/a/b",
                &error,
                user,
                "readwrite",
            )
        };
        let denied = lacks(Problem::Denied, Some("web"));
        assert_eq!(denied.message, "may not put /a/b: permission denied");
        assert_eq!(
            denied.advice.as_deref(),
            Some(
                "grant it to a role of user \"web\": etcdctl role grant-permission ROLE readwrite /a/b"
            )
        );
        let lost = lacks(Problem::Unavailable, None);
        assert_eq!(lost.message, "cannot put /a/b: permission denied");
    }
}
