use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::render;
use crate::harness::{Etcd, Nginx, Pki, Running, SOON, own_address};
use crate::row::{Row, after};
use crate::site::{self, BACK, LOST, PROXY_TRIES_AGAIN, Plan, SLACK, Site};

const USERS: &[&[&str]] = &[
    &["user", "add", "root:secret"],
    &["user", "grant-role", "root", "root"],
    &["role", "add", "web"],
    &[
        "role",
        "grant-permission",
        "web",
        "--prefix=true",
        "readwrite",
        "/services/web/",
    ],
    &["user", "add", "web:sesame"],
    &["user", "grant-role", "web", "web"],
    &["auth", "enable"],
];

/// Another tree, as a role is given it.
const DB: [&str; 3] = ["--prefix=true", "read", "/services/db/"];

/// How often the proxy side tries what it may not read.
const RECHECK: Duration = Duration::from_secs(30);

fn enable_users(members: &mut [Etcd]) {
    for arguments in USERS {
        members[0].ctl(arguments);
    }
    for member in members {
        member.use_client_flags(&["--user=root:secret"]);
    }
}

/// Simple tokens, which go after a second without use.
pub fn token_expires() -> Row {
    let mut site = Site::with(&Plan {
        server_flags: &["--auth-token-ttl=1"],
        client_flags: &["--user=web:sesame"],
        prepare: Some(|members| enable_users(members)),
        admin: Some(("root", "secret")),
        ..Plan::default()
    });
    // The agent renews every two seconds.
    site.assert_kept_for_a_ttl(Instant::now());
    let since = Instant::now();
    site.backend.stop();
    let gone = site.wait_until_gone(SLACK).duration_since(since);
    site.wait_for_file(&[], SLACK);
    std::thread::sleep(site.ttl / 2);
    let since = Instant::now();
    site.backend.restart();
    let (at, _) = site.wait_until_registered(SLACK);
    let back = at.duration_since(since);
    site.wait_for_file(&[&site.backend.address()], SLACK);
    // New connections log in anew.
    for wire in &site.wires {
        wire.cut();
    }
    site.put_other(1, "10.0.0.1:80");
    site.wait_for_file(&[&site.backend.address(), "10.0.0.1:80"], SLACK);
    site.assert_kept_since(at);
    Row {
        fault: "the login's token expires",
        promised: "the key stays; deleted when the backend fails, and put again when it is back",
        agent: format!("deleted {}, registered {}", after(gone), after(back)),
        proxy: "followed throughout".to_owned(),
    }
}

/// The role of the proxy side loses one of two trees, and is given it back.
pub fn role_narrowed() -> Row {
    let site = Site::with(&Plan {
        client_flags: &["--user=web:sesame"],
        prepare: Some(|members| {
            enable_users(members);
            members[0].ctl(&[&["role", "grant-permission", "web"][..], &DB].concat());
            members[0].ctl(&["put", "/services/db/a", "1"]);
        }),
        admin: Some(("root", "secret")),
        ..Plan::default()
    });
    let ours = site.backend.address();
    let member = &site.members[1];
    let resource = "{{range getvs \"/services/db/*\"}}{{.}}\n{{end}}";
    site.confdir
        .add("db", "keys = [\"/services/db\"]", resource);
    site.proxy.signal(Signal::HUP);
    site.confdir.wait_for("db", "1\n", SLACK);

    let since = Instant::now();
    member.ctl(&["role", "revoke-permission", "web", "--prefix", DB[2]]);
    // A watch that was allowed goes on until its connection ends.
    for wire in &site.wires {
        wire.cut();
    }
    let dest = site.confdir.dest("db").display().to_string();
    site.proxy
        .wait_for_event_with("resource_failed", &dest, PROXY_TRIES_AGAIN + SLACK);
    let named = since.elapsed();
    member.ctl(&["put", "/services/db/a", "2"]);
    site.put_other(1, "10.0.0.1:80");
    site.wait_for_file(&[&ours, "10.0.0.1:80"], SLACK);
    assert_eq!(site.confdir.read("db").unwrap(), "1\n", "it stays");

    let widened = Instant::now();
    member.ctl(&[&["role", "grant-permission", "web"][..], &DB].concat());
    site.confdir.wait_for("db", "2\n", RECHECK + SLACK);
    let back = widened.elapsed();
    site.put_other(1, "10.0.0.2:80");
    site.wait_for_file(&[&ours, "10.0.0.2:80"], SLACK);
    assert_eq!(
        site.proxy.said("resource_failed"),
        1,
        "{}",
        site.proxy.log()
    );
    site.assert_kept_for_a_ttl(since);
    Row {
        fault: "the role is narrowed to one of two trees, connections break, and the role is widened \
                again",
        promised: "the other tree's files stay and are named once, all else is followed; followed \
                   again within 30 s of being allowed to, or at SIGHUP",
        agent: "key kept".to_owned(),
        proxy: format!("named {}, followed again {}", after(named), after(back)),
    }
}

/// All of them, on either side: another authority, and what it signed. Etcd takes a restart for
/// that.
pub fn certificates_replaced() -> Row {
    let (mut pki, backend, confdir) = (Pki::new(), Nginx::start(), site::file());
    let ip = *own_address().ip();
    let names = [ip.to_string()];
    let names = names.each_ref().map(String::as_str);
    let server = pki.issue("server", &names);
    let client = pki.issue("client", &["client"]);
    let ca = pki.path("ca.pem");
    let mut etcd = Etcd::start_tls(ip, &ca, (&server.0, &server.1), (&client.0, &client.1));

    let text = |path: &Path| path.display().to_string();
    let flags = [
        ["--cacert".to_owned(), text(&ca)],
        ["--cert".to_owned(), text(&client.0)],
        ["--cert-key".to_owned(), text(&client.1)],
    ];
    let flags = flags.as_flattened();
    let ttl = Duration::from_secs(30);
    let agent = Running::spawn(site::agent(&backend, &etcd.url(), ttl).args(flags));
    let proxy = Running::spawn(render(&etcd.url(), &confdir).args(flags));
    let first = etcd.wait_for(&backend.key(), SOON);
    site::wait_for_file(&confdir, &[&backend.address()], SOON);

    etcd.kill();
    for running in [&agent, &proxy] {
        running.wait_for_event(LOST, SOON);
    }
    pki.replace();
    pki.issue("server", &names);
    pki.issue("client", &["client"]);
    etcd.restart();
    let since = Instant::now();
    agent.wait_for_event(BACK, SLACK);
    let agent_back = since.elapsed();
    proxy.wait_for_event(BACK, PROXY_TRIES_AGAIN + SLACK);
    let proxy_back = since.elapsed();
    assert_eq!(etcd.get(&backend.key()), Some(first), "{}", agent.log());
    site::put_other(&etcd, "10.0.0.1:80");
    site::wait_for_file(&confdir, &[&backend.address(), "10.0.0.1:80"], SLACK);
    Row {
        fault: "authority, certificates and keys are replaced on both sides, and etcd is restarted",
        promised: "the files are read anew for the next connection: the key stays under its lease, \
                   the file follows again",
        agent: format!("recovered {}", after(agent_back)),
        proxy: format!("recovered {}", after(proxy_back)),
    }
}
