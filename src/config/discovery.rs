//! Where endpoints are looked up in DNS.

use super::faults::Faults;
use super::setting::Setting;
use crate::address::Host;
use crate::etcd::config::Discovery;
use crate::fault::{Fault, Place};

/// What was given of the two: one that was typed wins over a variable.
pub(super) fn typed_first(
    endpoints: Option<Setting>,
    domain: Option<Setting>,
) -> (Option<Setting>, Option<Setting>) {
    let typed = |given: &Setting| matches!(given.place, Place::Flag(_));
    match (endpoints, domain) {
        (Some(endpoints), Some(domain)) => match (typed(&endpoints), typed(&domain)) {
            (true, false) => (Some(endpoints), None),
            (false, true) => (None, Some(domain)),
            (true, true) | (false, false) => (Some(endpoints), Some(domain)),
        },
        given => given,
    }
}

/// There is nothing to say which of the two is meant.
pub(super) fn both(endpoints: &Setting, domain: &Setting) -> Fault {
    let words = format!("and {}: give one of the two", domain.place);
    Fault::sentence(endpoints.place.clone(), words)
}

/// `tls`: whether it can be had; `plain`: whether one may do without.
pub(super) fn check(
    given: &Setting,
    tls: bool,
    plain: bool,
    faults: &mut Faults,
) -> Option<Discovery> {
    let domain = given.value.trim_end_matches('.');
    match Host::parse(domain) {
        Some(Host::Name(domain)) => Some(Discovery { domain, tls, plain }),
        Some(Host::V4(_) | Host::V6(_)) | None => {
            faults.add(given.fault("is no domain; write it as in example.com"));
            None
        }
    }
}
