use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::Nginx;
use crate::probing::{backend, check};

fn write_until_refused(mut stream: TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

#[test]
fn redirects_pass_and_are_not_followed() {
    let backend = Nginx::start_with("", "location /r { return 302 http://192.0.2.1/; }");
    let url = format!("http://{}/r", backend.address());
    assert_eq!(
        check(&["--check", &url]),
        (0, "healthy: HTTP status 302".to_owned())
    );
    assert_eq!(
        check(&["--check", &url, "--expect", "2xx"]),
        (1, "unhealthy: HTTP status 302".to_owned())
    );
}

#[test]
fn server_errors_fail_unless_expected() {
    let backend = Nginx::start_with("", "location /e { return 503; }");
    let url = format!("http://{}/e", backend.address());
    assert_eq!(
        check(&["--check", &url]),
        (1, "unhealthy: HTTP status 503".to_owned())
    );
    assert_eq!(check(&["--check", &url, "--expect", "200,5xx"]).0, 0);
}

#[test]
fn the_body_the_headers_and_the_method_can_be_asked_for() {
    let backend = Nginx::start_with(
        "",
        "location /h { if ($http_x_token = 'sesame') { return 200 \"$host $request_method\"; } return 403; }",
    );
    let url = format!("http://{}/h", backend.address());
    let asked = [
        "--check",
        &url,
        "--header",
        "X-Token: sesame",
        "--host",
        "web.example",
        "--method",
        "POST",
    ];
    let matching = [&asked[..], &["--body-regex", "^web.example POST$"]].concat();
    assert_eq!(check(&matching).0, 0);
    let other = [&asked[..], &["--body-regex", "GET"]].concat();
    assert_eq!(
        check(&other),
        (1, "unhealthy: the body does not match".to_owned())
    );
    assert_eq!(check(&["--check", &url]).1, "unhealthy: HTTP status 403");
}

#[test]
fn an_endless_body_is_read_as_far_as_64_kib_and_passes() {
    let url = backend(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        write_until_refused(stream, &[b'x'; 4096]);
    });
    assert_eq!(check(&["--check", &url]).0, 0);
}

#[test]
fn endless_headers_fail() {
    let url = backend(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        write_until_refused(stream, b"X-More: and more\r\n");
    });
    assert_eq!(check(&["--check", &url, "--timeout", "2s"]).0, 1);
}

#[test]
fn what_is_not_http_fails() {
    let url = backend(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n");
    });
    assert_eq!(check(&["--check", &url]).0, 1);
}

#[test]
fn a_user_in_the_url_logs_in() {
    let backend = Nginx::start_with(
        "",
        // user:p@ss
        "location /a { if ($http_authorization = 'Basic dXNlcjpwQHNz') { return 200; } return 401; }",
    );
    let url = format!("http://user:p%40ss@{}/a", backend.address());
    assert_eq!(check(&["--check", &url]).1, "healthy: HTTP status 200");
    let url = format!("http://user:other@{}/a", backend.address());
    assert_eq!(check(&["--check", &url]).1, "unhealthy: HTTP status 401");
}

#[test]
fn a_header_that_is_given_takes_the_place_of_ours() {
    let backend = Nginx::start_with(
        "",
        "location /h { return 200 \"$host|$http_user_agent|$http_accept|\"; }",
    );
    let url = format!("http://{}/h", backend.address());
    let given = [
        ["--header", "host: example.com"],
        ["--header", "User-Agent: probe/1"],
        ["--header", "ACCEPT: text/plain"],
    ]
    .concat();
    let seen = ["--body-regex", "^example.com[|]probe/1[|]text/plain[|]$"];
    let (code, said) = check(&[&["--check", &url][..], &given, &seen].concat());
    assert_eq!(code, 0, "{said}");
}

#[test]
fn an_empty_header_takes_ours_away_and_several_of_one_name_stay_several() {
    let (sender, request) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = [0; 4096];
        let length = stream.read(&mut text).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        let text = String::from_utf8_lossy(&text[..length]).to_lowercase();
        sender.send(text).unwrap();
    });
    let headers = ["Accept:", "X-Part: 1", "X-Part: 2", "Connection: close"];
    let flags: Vec<_> = headers.iter().flat_map(|text| ["--header", text]).collect();
    let (code, said) = check(&[&["--check", &url][..], &flags].concat());
    assert_eq!(code, 0, "{said}");
    let request = request.recv().unwrap();
    let times = |text: &str| request.matches(text).count();
    assert_eq!(times("accept:"), 0, "{request}");
    assert_eq!(
        (times("x-part: 1"), times("x-part: 2")),
        (1, 1),
        "{request}"
    );
    assert_eq!((times("connection:"), times("host:")), (1, 1), "{request}");
}

#[test]
fn headers_that_would_spoil_the_request_are_usage_errors() {
    let table = [
        (
            &["--host", "a", "--header", "Host: b"][..],
            "--host and --header Host",
        ),
        (
            &["--header", "Host: a", "--header", "host: b"],
            "give one host name",
        ),
        (&["--header", "Host:"], "give one host name"),
        (&["--header", "Content-Length: 7"], "a check sends no body"),
        (
            &["--header", "Transfer-Encoding: chunked"],
            "a check sends no body",
        ),
    ];
    for (flags, fault) in table {
        let (code, said) = check(&[&["--check", "http://127.0.0.1:1/"], flags].concat());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(fault), "{said}");
    }
}

#[test]
fn answers_that_curl_takes_pass() {
    let many = "Set-Cookie: a=b; Path=/\r\n".repeat(1_500);
    for head in [
        many.as_str(),
        "X-Folded: one\r\n two\r\n\tthree\r\n",
        "X-Blank : before the colon\r\n",
        ": no name\r\n",
        "no colon at all\r\n",
        "X-Bare: newline\nX-Other: too\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nOK");
        let url = backend(move |mut stream| {
            let _ = stream.write_all(answer.as_bytes());
        });
        let (code, said) = check(&["--check", &url]);
        assert_eq!(code, 0, "{}: {said}", &head[..head.len().min(40)]);
    }
    for answer in [
        "HTTP/1.0 200 OK\r\n\r\nOK",
        "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
    ] {
        let url = backend(move |mut stream| {
            let _ = stream.write_all(answer.as_bytes());
        });
        let (code, said) = check(&["--check", &url]);
        assert_eq!(code, 0, "{answer:?}: {said}");
    }
}

#[test]
fn a_final_newline_of_the_body_is_not_held_against_a_regex() {
    for body in ["OK", "OK\n", "OK\r\n"] {
        for regex in ["^OK$", "OK$", "^O.$"] {
            let answer = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
            let url = backend(move |mut stream| {
                let _ = stream.write_all(answer.as_bytes());
            });
            let (code, said) = check(&["--check", &url, "--body-regex", regex]);
            assert_eq!(code, 0, "{body:?} {regex}: {said}");
        }
    }
    for (body, regex) in [("OK\n\n", "^OK$"), ("OK", "OK\\n$"), ("NO\n", "^OK$")] {
        let answer = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        let url = backend(move |mut stream| {
            let _ = stream.write_all(answer.as_bytes());
        });
        assert_eq!(check(&["--check", &url, "--body-regex", regex]).0, 1);
    }
}
