use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::harness::{Nginx, own_address};
use crate::probing::check;

/// nginx, listening at `app.sock` in this directory, too.
fn backend(directory: &Path) -> (Nginx, String) {
    let socket = directory.join("app.sock").display().to_string();
    let more = format!(
        "listen unix:{socket};
         location /h {{ if ($http_x_token = 'sesame') {{ return 200 \"$host $request_uri\"; }} return 403; }}"
    );
    (Nginx::start_with("", &more), socket)
}

#[test]
fn a_unix_socket_passes_while_somebody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let url = format!("unix:{}", socket.display());
    assert_eq!(
        check(&["--check", &url]),
        (
            1,
            "unhealthy: No such file or directory (os error 2)".to_owned()
        )
    );
    let listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(
        check(&["--check", &url]),
        (0, "healthy: connected".to_owned())
    );
    // The socket's file is left behind, as by a backend that was killed.
    drop(listener);
    assert_eq!(
        check(&["--check", &url]),
        (1, "unhealthy: Connection refused (os error 111)".to_owned())
    );
}

#[test]
fn http_is_spoken_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let (_backend, socket) = backend(directory.path());
    let at = |target: &str| format!("http+unix:{socket}:{target}");
    let well = (0, "healthy: HTTP status 200".to_owned());
    assert_eq!(check(&["--check", &at("/")]), well);
    assert_eq!(check(&["--check", &format!("http+unix:{socket}")]), well);
    let forbidden = (1, "unhealthy: HTTP status 403".to_owned());
    assert_eq!(check(&["--check", &at("/h?a=:/b")]), forbidden);
    let asked = [
        "--header",
        "X-Token: sesame",
        "--host",
        "web.example",
        "--method",
        "POST",
        "--expect",
        "2xx",
    ];
    let matching = ["--body-regex", "^web.example /h[?]a=:/b$"];
    let url = at("/h?a=:/b");
    let flags = [&["--check", &url], &asked[..], &matching].concat();
    assert_eq!(check(&flags), well);
}

#[test]
fn a_backend_behind_a_unix_socket_that_never_answers_times_out() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let url = format!("http+unix:{}:/", socket.display());
    assert_eq!(
        check(&["--check", &url, "--timeout", "300ms"]),
        (1, "unhealthy: no answer within 300ms".to_owned())
    );
}

#[test]
fn what_is_no_socket_or_says_nothing_to_one_is_a_usage_error() {
    let tcp = format!("tcp://{}", own_address());
    let table = [
        (&["--check", "unix:app.sock"][..], "names no absolute path"),
        (
            &["--check", "http+unix:/run/app.sock:health"],
            "has no URL behind its path",
        ),
        (
            &["--check", "unix:/run/app.sock", "--expect", "200"],
            "--expect: only for http://, https:// and http+unix: checks",
        ),
        (
            &["--check", "http+unix:/run/app.sock:/", "--tls-skip-verify"],
            "--tls-skip-verify: only for https://, tls:// and grpcs:// checks",
        ),
        (
            &["--check", &tcp, "--check-ca", "x"],
            "--check-ca: only for",
        ),
        (&["--check", "smtp://h:1"], "http+unix:"),
    ];
    for (flags, fault) in table {
        let (code, said) = check(flags);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(fault), "{said}");
    }
}
