//! What gRPC and TLS say, as errors of ours.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::io;

use tonic::{Code, Status};

use super::config::FLAGS;
use super::error::{EtcdError, Problem};
use crate::tls;
use crate::wording::printable;

/// What etcd says to those who have not logged in.
const NAMELESS: &str = "user name is empty";

/// What it says before it is told of users, and once it is told to forget them.
const WITHOUT_USERS: &str = "authentication is not enabled";

/// What a call was answered with. `named`: we have a user.
pub(super) fn error(endpoint: &str, status: &Status, named: bool) -> EtcdError {
    let reason = innermost(status).unwrap_or_else(|| {
        status
            .message()
            .trim_start_matches("etcdserver: ")
            .to_owned()
    });
    // The server's own words end up in logs and on terminals.
    let mut reason = tls::explained(printable(reason.as_bytes()), FLAGS);
    let mut problem = problem(status);
    if !named && status.message().contains(NAMELESS) {
        problem = Problem::Refused;
        reason += " (authentication is enabled, and no user's name was given)";
    }
    EtcdError::new(endpoint, problem, reason)
}

/// Why there is no connection.
pub(super) fn not_connected(endpoint: &str, error: &tonic::transport::Error) -> EtcdError {
    let reason = innermost(error).unwrap_or_else(|| error.to_string());
    // It may quote the server's certificate.
    let reason = tls::explained(printable(reason.as_bytes()), FLAGS);
    let problem = if is_certificate_fault(error) {
        Problem::Refused
    } else {
        Problem::Unavailable
    };
    EtcdError::new(endpoint, problem, reason)
}

/// Why etcd does not watch for us, in its words.
pub(super) fn watch_refused(endpoint: &str, reason: &str, named: bool) -> EtcdError {
    // Older etcd quotes the whole of an error: `rpc error: code = PermissionDenied desc = …`.
    let reason = reason
        .split_once("desc = ")
        .map_or(reason, |(_, words)| words);
    let code = if reason.contains("permission denied") {
        Code::PermissionDenied
    } else {
        Code::Unavailable
    };
    error(endpoint, &Status::new(code, reason), named)
}

/// Whether a login failed because there are no users.
pub(super) fn is_without_users(status: &Status) -> bool {
    status.message().contains(WITHOUT_USERS)
}

fn problem(status: &Status) -> Problem {
    let made_here = status.source().is_some();
    match status.code() {
        _ if is_certificate_fault(status) => Problem::Refused,
        _ if made_here => Problem::Unavailable,
        Code::PermissionDenied => Problem::Denied,
        _ if wants_login(status) => Problem::NotLoggedIn,
        _ if is_outdated(status) => Problem::LoginOutdated,
        // From a member without a leader, or from the way there.
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Problem::Unavailable,
        Code::Unauthenticated => Problem::Refused,
        // What etcd answers to a wrong password.
        Code::InvalidArgument | Code::FailedPrecondition
            if status.message().contains("authentication")
                || status.message().contains("user name") =>
        {
            Problem::Refused
        }
        Code::OutOfRange if status.message().contains("revision") => Problem::NotThatRevision,
        Code::OutOfRange | Code::ResourceExhausted => Problem::TooLarge,
        _ => Problem::Rejected,
    }
}

/// There was no token, or it is not known any more.
fn wants_login(status: &Status) -> bool {
    has_any(status, &[NAMELESS, "invalid auth token"])
}

/// Users and roles have changed since the token was issued, or there are none any more. The last
/// wording is that of a server that does not translate this error.
fn is_outdated(status: &Status) -> bool {
    has_any(
        status,
        &[
            WITHOUT_USERS,
            "revision of auth store is old",
            "revision in header is old",
        ],
    )
}

fn has_any(status: &Status, wordings: &[&str]) -> bool {
    wordings
        .iter()
        .any(|wording| status.message().contains(wording))
}

/// Whether TLS broke off over a certificate, on either side.
fn is_certificate_fault(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| {
        let tls = cause.downcast_ref::<rustls::Error>().or_else(|| {
            let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
            inner.downcast_ref::<rustls::Error>()
        });
        // A server turns our certificate down after the handshake, where the HTTP/2 layer keeps
        // no more than the text of the alert.
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
            || cause.to_string().contains("received fatal alert")
    })
}

/// The text of the last cause: the layers above it only say that there was an error.
fn innermost(error: &(dyn StdError + 'static)) -> Option<String> {
    chain(error).skip(1).last().map(ToString::to_string)
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
