//! The paths that run for every probe and every change. `run.sh` beside this counts the
//! instructions of what is inside [`counted`].
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement stops at the first surprise"
)]

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use gotemplate::Value;
use gotemplate::{Delims, Options, Template};
use register::health::{Health, Thresholds, Verdict};
use register::probe::{Probe, Spec};
use register::registration::{Event, Holder, Registration};
use register::world::Backend;
use renderer::functions::FUNCTIONS;
use renderer::resource::Resource;
use renderer::snapshot::Snapshot;
use renderer::store::Store;

const SERVERS: &str = "{{range getvs \"/services/web/*\"}}    server {{.}};\n{{end}}";
const JSON: &str = r#"{{range gets "/services/web/*"}}{{$server := json .Value}}
    server {{base .Key}} {{$server.host}}:{{$server.port}}{{end}}"#;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("probe") => probe(),
        Some("registration") => registration(),
        Some("change") => change(),
        Some("servers") => render(SERVERS, 10_000, |n| {
            format!("10.0.{}.{}:80", n / 256, n % 256)
        }),
        Some("json") => render(JSON, 1_000, |n| {
            format!(r#"{{"host": "10.0.{}.{}", "port": 80}}"#, n / 256, n % 256)
        }),
        Some("parse") => parse(),
        Some("resource") => resource(),
        path => panic!("there is no path {path:?}"),
    }
}

#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// Twenty HTTP probes, without what the first one sets up.
fn probe() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", backend.local_addr().unwrap());
    thread::spawn(move || {
        for connection in backend.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 1024];
            assert!(connection.read(&mut request).unwrap() > 0);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwell\n";
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    let probe = Probe::new(Spec {
        url,
        timeout: Duration::from_secs(60),
        ..Spec::default()
    });
    let probe = probe.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let attempt = || {
        let attempt = runtime.block_on(probe.attempt());
        assert_eq!(attempt.text(), "HTTP status 200");
    };
    attempt();
    counted(|| (0..20).for_each(|_| attempt()));
}

/// A backend that goes down and comes back, a thousand times.
fn registration() {
    let mut health = Health::new(Thresholds { rise: 2, fall: 3 });
    let mut registration = Registration::new(Duration::ZERO, Duration::from_secs(10), 1);
    let now = Instant::now();
    counted(|| {
        for turn in 0..1_000 {
            let (lease, revision) = (turn, 10 * turn);
            for passed in [true, true, true, false, false, false] {
                let answers = match health.observe(passed) {
                    Some(Verdict::Up) => [
                        Event::Verdict(Verdict::Up),
                        Event::Announced { lease, revision },
                        Event::Changed {
                            revision,
                            holder: Holder::Lease(lease),
                        },
                    ],
                    Some(Verdict::Down) => [
                        Event::Verdict(Verdict::Down),
                        Event::Withdrawn,
                        Event::Changed {
                            revision: revision + 1,
                            holder: Holder::Nobody,
                        },
                    ],
                    None => continue,
                };
                for event in answers {
                    black_box(registration.on(event, now));
                }
            }
        }
    });
}

/// One of 10,000 keys changes: the snapshot is patched, and the template run over it.
fn change() {
    let template = parsed(SERVERS);
    let mut snapshot = snapshot(10_000, |n| format!("10.0.{}.{}:80", n / 256, n % 256));
    let written = counted(|| {
        snapshot.put("/services/web/05000".into(), "10.9.9.9:80".into());
        executed(&template, &selected(&snapshot))
    });
    assert!(written.ends_with(b";\n"));
}

fn render(text: &str, keys: usize, value: impl Fn(usize) -> String) {
    let template = parsed(text);
    let store = selected(&snapshot(keys, value));
    let written = counted(|| executed(&template, &store));
    assert_eq!(written.split(|&byte| byte == b'\n').count(), keys + 1);
}

fn parse() {
    let text = JSON.repeat(10_000 / JSON.len());
    counted(|| parsed(&text));
}

fn resource() {
    let confdir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units/confd"));
    let file = confdir.join("conf.d/nginx.toml");
    counted(|| Resource::load(&file, confdir).unwrap());
}

fn parsed(text: &str) -> Template<Store> {
    Template::parse("t.tmpl", text.to_owned(), &Delims::default(), FUNCTIONS).unwrap()
}

fn executed(template: &Template<Store>, store: &Store) -> Vec<u8> {
    template
        .execute(&Value::Nil, store, &Options::default())
        .unwrap()
}

fn selected(snapshot: &Snapshot) -> Store {
    Store::select(snapshot, "", &["/services/web".to_owned()])
}

fn snapshot(keys: usize, value: impl Fn(usize) -> String) -> Snapshot {
    let entries = (0..keys).map(|n| (format!("/services/web/{n:05}").into(), value(n).into()));
    Snapshot {
        entries: entries.collect(),
        revision: 1,
    }
}
