//! What can go wrong with etcd, told apart by what to do about it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use tonic::Code;

use crate::exit::{Exit, RunError};
use crate::tls;
use crate::wording::printable;

pub(super) const FLAGS: tls::Flags = tls::Flags {
    ca: "--cacert",
    skip_verify: "--insecure-skip-tls-verify",
};

#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// Retrying will not help: wrong credentials, no permission, a certificate that does not fit.
    #[error("etcd at {endpoint} refused: {reason}")]
    Refused { endpoint: String, reason: String },
    /// Answered with an error: another endpoint would answer the same, but later it may work.
    #[error("etcd at {endpoint} rejected the request: {reason}")]
    Rejected { endpoint: String, reason: String },
    /// Worth another try, here or at another endpoint.
    #[error("etcd at {endpoint}: {reason}")]
    Unavailable { endpoint: String, reason: String },
    #[error("etcd at {endpoint} did not answer within {}", humantime::format_duration(*.after))]
    Timeout { endpoint: String, after: Duration },
}

impl EtcdError {
    pub(super) fn from_client(endpoint: &str, error: &etcd_client::Error) -> Self {
        let endpoint = endpoint.to_owned();
        match error {
            etcd_client::Error::GRpcStatus(status) => {
                let reason = innermost(status).unwrap_or_else(|| {
                    status
                        .message()
                        .trim_start_matches("etcdserver: ")
                        .to_owned()
                });
                // The server's own words end up in logs and on terminals.
                let mut reason = tls::explained(printable(reason.as_bytes()), FLAGS);
                if wants_user(error) {
                    reason += " (authentication is enabled, and no user's name was given)";
                }
                if is_refusal(status) || is_certificate_fault(status) {
                    Self::Refused { endpoint, reason }
                } else if is_answer(status) {
                    Self::Rejected { endpoint, reason }
                } else {
                    Self::Unavailable { endpoint, reason }
                }
            }
            etcd_client::Error::TransportError(error) => Self::from_transport(endpoint, error),
            other => Self::Unavailable {
                endpoint,
                reason: other.to_string(),
            },
        }
    }

    pub(super) fn from_transport(endpoint: String, error: &tonic::transport::Error) -> Self {
        let reason = innermost(error).unwrap_or_else(|| error.to_string());
        // It may quote the server's certificate.
        let reason = tls::explained(printable(reason.as_bytes()), FLAGS);
        if is_certificate_fault(error) {
            Self::Refused { endpoint, reason }
        } else {
            Self::Unavailable { endpoint, reason }
        }
    }

    /// The server broke TLS off over our certificate.
    pub(super) fn because_of(self, alert: &str) -> Self {
        let (Self::Refused { endpoint, .. }
        | Self::Rejected { endpoint, .. }
        | Self::Unavailable { endpoint, .. }
        | Self::Timeout { endpoint, .. }) = self;
        let reason = tls::explained(alert.to_owned(), FLAGS);
        Self::Refused { endpoint, reason }
    }

    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether the connection works, whatever was said over it.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Rejected { .. } => true,
            Self::Unavailable { .. } | Self::Timeout { .. } => false,
        }
    }
}

impl From<EtcdError> for RunError {
    fn from(error: EtcdError) -> Self {
        Self::new(Exit::Store, error)
    }
}

/// Whether the server itself said no. The exceptions come from a member without a leader, from the
/// way there, or want a new login.
fn is_answer(status: &tonic::Status) -> bool {
    let made_here = status.source().is_some();
    let wants_retry = matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    );
    !made_here && !wants_retry && !is_stale_login(status)
}

/// Etcd has been told nothing of users, or has been told to forget them.
pub(super) fn is_without_users(error: &etcd_client::Error) -> bool {
    matches!(error, etcd_client::Error::GRpcStatus(status) if status.message().contains(WITHOUT_USERS))
}

/// Etcd serves nobody who has not logged in.
pub(super) fn wants_user(error: &etcd_client::Error) -> bool {
    matches!(error, etcd_client::Error::GRpcStatus(status) if status.message().contains("user name is empty"))
}

const WITHOUT_USERS: &str = "authentication is not enabled";

/// The token expired, users and roles have changed since it was issued, or there are none any more:
/// the next connection logs in anew. The last wording is that of a server that does not translate
/// this error.
fn is_stale_login(status: &tonic::Status) -> bool {
    [
        WITHOUT_USERS,
        "invalid auth token",
        "revision of auth store is old",
        "revision in header is old",
    ]
    .iter()
    .any(|wording| status.message().contains(wording))
}

fn is_refusal(status: &tonic::Status) -> bool {
    match status.code() {
        Code::PermissionDenied => true,
        _ if is_stale_login(status) => false,
        Code::Unauthenticated => true,
        // What etcd answers to a wrong password, and to one who should have logged in.
        Code::InvalidArgument | Code::FailedPrecondition => {
            status.message().contains("authentication") || status.message().contains("user name")
        }
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    fn error(status: Status) -> EtcdError {
        EtcdError::from_client("http://e", &etcd_client::Error::GRpcStatus(status))
    }

    #[test]
    fn whatever_etcd_says_no_with_is_an_answer() {
        for code in [
            Code::Unknown,
            Code::Internal,
            Code::DataLoss,
            Code::ResourceExhausted,
            Code::InvalidArgument,
        ] {
            let error = error(Status::new(code, "etcdserver: corrupt cluster"));
            assert!(error.is_answer() && !error.is_refusal(), "{code:?}");
            assert_eq!(
                error.to_string(),
                "etcd at http://e rejected the request: corrupt cluster"
            );
        }
    }

    #[test]
    fn what_a_server_says_stays_on_one_line_and_sends_no_control_characters() {
        let status = Status::new(Code::PermissionDenied, "no\n\u{1b}[2Jregister: registered");
        assert_eq!(
            error(status).to_string(),
            "etcd at http://e refused: no\\n\\u{1b}[2Jregister: registered"
        );
    }

    #[test]
    fn what_another_member_may_do_better_is_no_answer() {
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled] {
            assert!(!error(Status::new(code, "etcdserver: no leader")).is_answer());
        }
    }

    #[test]
    fn a_login_from_before_users_or_roles_changed_is_neither_answer_nor_refusal() {
        for (code, message) in [
            (
                Code::FailedPrecondition,
                "etcdserver: authentication is not enabled",
            ),
            (Code::Unauthenticated, "etcdserver: invalid auth token"),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
            ),
            (Code::Unknown, "auth: revision in header is old"),
        ] {
            let error = error(Status::new(code, message));
            assert!(!error.is_answer() && !error.is_refusal(), "{message}");
        }
    }
}
