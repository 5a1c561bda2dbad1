use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::running::{outcome, render};
use crate::harness::{Confdir, Etcd, SOON, register};

/// The address of a server that does this with each connection, once something has been sent to it.
fn server(serve: impl Fn(TcpStream) + Send + Sync + Copy + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut stream = stream;
                let _ = stream.read(&mut [0; 4096]);
                serve(stream);
            });
        }
    });
    address
}

/// Sends a byte now and then until the other side has had enough.
fn drip(mut stream: TcpStream, begin: &[u8]) {
    let mut sent = stream.write_all(begin);
    while sent.is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        sent = stream.write_all(b"x");
    }
}

#[test]
fn an_etcd_that_talks_nonsense_is_unreachable() {
    let servers = [
        server(|mut stream| {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n");
        }),
        server(|mut stream| while stream.write_all(&[0; 4096]).is_ok() {}),
        server(|stream| drip(stream, b"HTTP/1.1 200 OK\r\n\r\n")),
    ];
    for address in servers {
        let url = format!("http://{address}");
        let (code, said, complaint) = outcome(register().args(["list", "--endpoints", &url]));
        assert_eq!((code, said.as_str()), (3, ""), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[test]
fn a_value_that_would_be_a_directive_is_left_out_where_it_is_validated() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with(
        "app.conf",
        "keys = [\"/services/web\"]\n[template.validate]\n\"/services/web/*\" = \"address\"",
        "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}",
    );
    etcd.ctl(&["put", "/services/web/a", "10.0.0.1:80"]);
    etcd.ctl(&[
        "put",
        "/services/web/b",
        "10.0.0.2:80; }\nserver { listen 81",
    ]);
    let (code, _, complaint) = outcome(render(&etcd.url(), &confdir).arg("--once"));
    assert_eq!(code, 0, "{complaint}");
    confdir.wait_for("app.conf", "server 10.0.0.1:80;\n", SOON);
}

#[test]
fn a_value_is_never_run() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let value = format!("$({0})`{0}`; {0}", confdir.note("run"));
    confdir.add(
        "app.conf",
        "keys = [\"/a\"]\ncheck_cmd = \"cat {{.src}}\"\nreload_cmd = \"cat {{.dest}}\"",
        "{{getv \"/a\"}}",
    );
    etcd.ctl(&["put", "/a", &value]);
    let (code, _, complaint) = outcome(render(&etcd.url(), &confdir).arg("--once"));
    assert_eq!(code, 0, "{complaint}");
    assert_eq!(confdir.read("app.conf"), Some(value));
    assert_eq!(confdir.files(), ["app.conf"]);
}
