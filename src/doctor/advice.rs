//! What to do about what failed.

use std::io::{self, ErrorKind};

use crate::etcd::error::{EtcdError, Problem};

pub(super) const SILENCE: &str =
    "see whether the host is up, whether etcd hangs, and whether a firewall drops packets to it";

const NO_SPACE: &str = "make room: etcdctl compact, etcdctl defrag, then etcdctl alarm disarm";

pub(super) fn for_network(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "start etcd there, or correct --endpoints",
        ErrorKind::TimedOut => SILENCE,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "see to the route to that host, or correct --endpoints"
        }
        _ => "see whether etcd listens there and what its log says",
    }
}

pub(super) fn for_etcd(error: &EtcdError) -> &'static str {
    let has = |words: &str| error.reason.contains(words);
    match error.problem {
        Problem::Refused if has("no user's name was given") => {
            "give --user, and the password with --password-file"
        }
        Problem::Refused if has("invalid user ID or password") => {
            "correct --user or the password (--password-file)"
        }
        Problem::Refused => for_tls(&error.reason),
        Problem::Denied => "grant a role of the user what it lacks: etcdctl role grant-permission",
        Problem::NotLoggedIn | Problem::LoginOutdated => {
            "try again: users or roles have just changed"
        }
        Problem::NotThatRevision | Problem::TooLarge | Problem::Rejected => {
            for_complaint(&error.reason)
        }
        Problem::Unavailable => {
            "see whether most members of the cluster run, and what etcd's log says"
        }
        Problem::Silent => SILENCE,
    }
}

/// For what etcd says of itself, or why it does not do what it is asked.
pub(super) fn for_complaint(words: &str) -> &'static str {
    if words.contains("NOSPACE") || words.contains("database space exceeded") {
        NO_SPACE
    } else if words.contains("CORRUPT") || words.contains("corrupt") {
        "replace the member whose data are corrupt; see etcd's page on data corruption"
    } else {
        "see what etcd's log says"
    }
}

/// `reason` in rustls's words.
pub(super) fn for_tls(reason: &str) -> &'static str {
    let has = |words: &str| reason.contains(words);
    if has("UnknownIssuer") || has("BadSignature") {
        "give the certificate of the CA that signed etcd's with --cacert"
    } else if has("not valid for name") || has("NotValidForName") {
        "use a name of its certificate in --endpoints, or have the certificate issued for this name too"
    } else if has("not valid yet") || has("NotValidYet") {
        "set the clock of this host"
    } else if has("expired") || has("Expired") {
        "have etcd's certificate renewed; if it is not old, set the clock of this host"
    } else if has("CertificateRequired") || has("BadCertificate") {
        "give a certificate of a CA that etcd trusts with --cert and --cert-key"
    } else if has("fatal alert") {
        "see why etcd takes no such certificate: its CA, its dates, what it may be used for (client)"
    } else if has("InvalidContentType") {
        "write http://, as etcd speaks no TLS there; or enable it in etcd"
    } else {
        "see etcd's certificate and log, and --cacert, --cert and --cert-key"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_advice_that_names_what_to_change() {
        let table = [
            (Problem::Refused, "x (… no user's name was given)", "--user"),
            (
                Problem::Refused,
                "authentication failed, invalid user ID or password",
                "--password-file",
            ),
            (
                Problem::Refused,
                "received fatal alert: CertificateRequired",
                "--cert-key",
            ),
            (Problem::Denied, "permission denied", "grant-permission"),
            (Problem::Rejected, "mvcc: database space exceeded", "defrag"),
            (Problem::Silent, "3s", "firewall"),
        ];
        for (problem, reason, word) in table {
            let error = EtcdError::new("http://e", problem, reason);
            assert!(for_etcd(&error).contains(word), "{reason}");
        }
    }

    #[test]
    fn certificates_are_told_apart() {
        let table = [
            ("invalid peer certificate: UnknownIssuer", "--cacert"),
            (
                "invalid peer certificate: certificate not valid for name \"x\"",
                "--endpoints",
            ),
            (
                "invalid peer certificate: certificate expired: verification time 1",
                "renewed",
            ),
            (
                "invalid peer certificate: certificate not valid yet: verification time 1",
                "clock",
            ),
            (
                "received corrupt message of type InvalidContentType",
                "http://",
            ),
        ];
        for (reason, word) in table {
            assert!(for_tls(reason).contains(word), "{reason}");
        }
    }
}
