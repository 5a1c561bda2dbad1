//! What etcd and TLS say, and what it is taken for.

use super::*;

fn error(status: &Status) -> EtcdError {
    super::error("http://e", status, true)
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
        let error = error(&Status::new(code, "etcdserver: corrupt cluster"));
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
        error(&status).to_string(),
        "etcd at http://e refused: no\\n\\u{1b}[2Jregister: registered"
    );
}

#[test]
fn what_another_member_may_do_better_is_no_answer() {
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled] {
        assert!(!error(&Status::new(code, "etcdserver: no leader")).is_answer());
    }
}

#[test]
fn a_login_from_before_users_or_roles_changed_is_neither_answer_nor_refusal() {
    for (code, message) in [
        (
            Code::FailedPrecondition,
            "etcdserver: authentication is not enabled",
        ),
        (Code::InvalidArgument, "etcdserver: user name is empty"),
        (Code::Unauthenticated, "etcdserver: invalid auth token"),
        (
            Code::InvalidArgument,
            "etcdserver: revision of auth store is old",
        ),
        (Code::Unknown, "auth: revision in header is old"),
    ] {
        let error = error(&Status::new(code, message));
        assert!(error.wants_login(), "{message}");
        assert!(!error.is_answer() && !error.is_refusal(), "{message}");
    }
}

#[test]
fn who_gave_no_name_is_refused_where_names_are_wanted() {
    let status = Status::new(Code::InvalidArgument, "etcdserver: user name is empty");
    let error = super::error("http://e", &status, false);
    assert!(error.is_refusal());
    assert!(
        error.to_string().ends_with("no user's name was given)"),
        "{error}"
    );
}

#[test]
fn a_page_that_cannot_be_had_says_what_to_ask_instead() {
    for (code, message, problem) in [
        (
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
            Problem::NotThatRevision,
        ),
        (
            Code::OutOfRange,
            "etcdserver: mvcc: required revision is a future revision",
            Problem::NotThatRevision,
        ),
        (
            Code::OutOfRange,
            "Error, decoded message length too large",
            Problem::TooLarge,
        ),
        (
            Code::ResourceExhausted,
            "trying to send message larger than max",
            Problem::TooLarge,
        ),
    ] {
        assert_eq!(
            error(&Status::new(code, message)).problem,
            problem,
            "{message}"
        );
    }
}

#[test]
fn whoever_gave_a_name_is_told_no_more_than_the_reason() {
    let status = Status::new(Code::Unauthenticated, "etcdserver: no");
    for named in [false, true] {
        assert_eq!(
            super::error("http://e", &status, named),
            EtcdError::new("http://e", Problem::Refused, "no")
        );
    }
    let status = Status::new(Code::InvalidArgument, "etcdserver: user name is empty");
    assert_eq!(error(&status).reason, "user name is empty");
}

#[test]
fn what_we_may_not_and_who_we_are_not_are_refusals_told_apart() {
    for (code, message, problem) in [
        (
            Code::PermissionDenied,
            "etcdserver: permission denied",
            Problem::Denied,
        ),
        (
            Code::InvalidArgument,
            "etcdserver: authentication failed, invalid user ID or password",
            Problem::Refused,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: user name not found",
            Problem::Refused,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: corrupt alarm",
            Problem::Rejected,
        ),
    ] {
        let error = error(&Status::new(code, message));
        assert_eq!(error.problem, problem, "{message}");
    }
}

#[test]
fn a_watch_is_refused_as_a_call_is_or_may_work_elsewhere() {
    let denied = watch_refused("http://e", "etcdserver: permission denied", true);
    assert_eq!(denied.problem, Problem::Denied);
    assert_eq!(denied.reason, "permission denied");
    let gone = watch_refused("http://e", "etcdserver: no leader", true);
    assert_eq!(gone.problem, Problem::Unavailable);
    let nameless = watch_refused("http://e", "etcdserver: user name is empty", false);
    assert_eq!(nameless.problem, Problem::Refused);
}

#[test]
fn a_login_that_is_not_wanted_is_known_by_what_etcd_says() {
    let not_enabled = "etcdserver: authentication is not enabled";
    assert!(is_without_users(&Status::new(
        Code::FailedPrecondition,
        not_enabled
    )));
    let failed = "etcdserver: authentication failed, invalid user ID or password";
    assert!(!is_without_users(&Status::new(
        Code::InvalidArgument,
        failed
    )));
}

/// A status as it is made on this side, over what went wrong here.
fn made_here(cause: impl StdError + Send + Sync + 'static) -> Status {
    let mut status = Status::new(Code::PermissionDenied, "transport error");
    status.set_source(std::sync::Arc::new(cause));
    status
}

fn bad_certificate() -> rustls::Error {
    rustls::Error::InvalidCertificate(rustls::CertificateError::Expired)
}

#[test]
fn what_went_wrong_on_the_way_is_no_answer_whatever_its_code() {
    let error = error(&made_here(io::Error::other("connection reset")));
    assert_eq!(
        error,
        EtcdError::new("http://e", Problem::Unavailable, "connection reset")
    );
}

#[test]
fn a_certificate_that_does_not_fit_is_a_refusal_on_either_side() {
    let ours = io::Error::other("received fatal alert: BadCertificate");
    let theirs = io::Error::other(bad_certificate());
    for status in [
        made_here(ours),
        made_here(theirs),
        made_here(bad_certificate()),
    ] {
        assert_eq!(error(&status).problem, Problem::Refused, "{status:?}");
    }
    let other = rustls::Error::General("what".to_owned());
    assert_eq!(error(&made_here(other)).problem, Problem::Unavailable);
}

/// Connecting, with this fault on the way.
async fn connecting(cause: io::Error) -> EtcdError {
    let mut cause = Some(cause);
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let failed = Err::<hyper_util::rt::TokioIo<tokio::net::TcpStream>, _>(
            cause.take().expect("one attempt"),
        );
        std::future::ready(failed)
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://e");
    let error = endpoint
        .connect_with_connector(connector)
        .await
        .expect_err("a fault");
    not_connected("http://e", &error)
}

#[tokio::test]
async fn why_there_is_no_connection_is_the_last_cause_and_a_refusal_if_a_certificate_is() {
    assert_eq!(
        connecting(io::Error::other("no route\u{7}")).await,
        EtcdError::new("http://e", Problem::Unavailable, "no route\\u{7}")
    );
    let expired = connecting(io::Error::other(bad_certificate())).await;
    assert_eq!(expired.problem, Problem::Refused);
}

#[test]
fn a_watch_that_is_refused_says_why_and_no_more() {
    let reason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    let error = watch_refused("http://e", reason, true);
    assert_eq!(error.problem, Problem::Denied);
    assert_eq!(
        error.to_string(),
        "etcd at http://e refused: permission denied"
    );
}

#[test]
fn after_a_login_only_who_is_not_known_is_refused() {
    let problem = |code, message| {
        let error = error(&Status::new(code, message));
        error.after_login().problem
    };
    assert_eq!(
        problem(Code::InvalidArgument, "etcdserver: user name is empty"),
        Problem::Refused
    );
    assert_eq!(
        problem(Code::Unauthenticated, "etcdserver: invalid auth token"),
        Problem::Refused
    );
    assert_eq!(
        problem(
            Code::InvalidArgument,
            "etcdserver: revision of auth store is old"
        ),
        Problem::LoginOutdated
    );
}
