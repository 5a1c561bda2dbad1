//! Errors of connections, as failures of an attempt.

use std::error::Error;

use super::attempt::Failure;
use super::host_fault;
use super::secure::FLAGS;
use crate::tls;

pub(super) fn failure(error: &(dyn Error + 'static)) -> Failure {
    match host_fault::among(error) {
        Some(own) => Failure::OwnHost(own.to_string()),
        None => Failure::Connection(tls::explained(innermost(error), FLAGS)),
    }
}

/// The text of the last cause: the layers above it only say that there was an error.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
