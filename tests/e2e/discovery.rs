use std::process::Command;

use crate::harness::name_server::Record;
use crate::harness::running::outcome;
use crate::harness::{Confdir, Etcd, NameServer, Nginx, Pki, Running, SOON, own_address, register};

const DOMAIN: &str = "example.test";
const TLS: &str = "_etcd-client-ssl._tcp.example.test";
const PLAIN: &str = "_etcd-client._tcp.example.test";

fn list() -> Command {
    let mut command = register();
    command.args(["list", "--discovery-srv", DOMAIN]);
    command
}

/// Host and port of a URL.
fn place(url: &str) -> (String, u16) {
    let (_, address) = url.split_once("://").unwrap();
    let (ip, port) = address.split_once(':').unwrap();
    (ip.to_owned(), port.parse().unwrap())
}

/// The line of `/etc/hosts` for the member, and its record.
fn member(url: &str, record: &'static str) -> (String, Record) {
    let (ip, port) = place(url);
    (
        format!("{ip} member.example.test\\n"),
        (record, 1, "member.example.test", port),
    )
}

#[test]
fn every_command_finds_etcd_by_its_domain() {
    let etcd = Etcd::start();
    let (hosts, alive) = member(&etcd.url(), PLAIN);
    let dead = own_address();
    let hosts = format!("{hosts}{} dead.example.test\\n", dead.ip());
    let dead = (PLAIN, 0, "dead.example.test", dead.port());
    let Some(server) = NameServer::start(&[alive, dead]) else {
        return;
    };
    let backend = Nginx::start();
    let address = backend.address();
    let ours = ["--service", "web", "--address", &address];
    let done = |command: &mut Command, words: &str| {
        command.env("ETCDCTL_DISCOVERY_SRV", DOMAIN);
        let (code, said, complaint) = outcome(&mut server.asked_by(&hosts, command));
        assert_eq!(code, 0, "{complaint}");
        assert!(said.contains(words), "{said}");
    };
    done(register().arg("--once").args(ours), "registered for");
    done(register().arg("list"), &address);
    done(
        register().arg("doctor").args(ours),
        "ok       etcd example.test: SRV: http://",
    );
    done(register().arg("deregister").args(ours), "deregistered");
    let confdir = Confdir::new().with("all", "keys = [\"/\"]", "");
    done(
        register().args(["render", "--once", "--confdir", &confdir.flag()]),
        "",
    );
    let mut agent = register();
    agent.args(ours).args(["--discovery-srv", DOMAIN]);
    agent.env("ETCDCTL_ENDPOINTS", "http://127.0.0.1:1");
    let _agent = Running::spawn(&mut server.asked_by(&hosts, &agent));
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn an_agent_waits_for_a_name_server_that_is_late() {
    let etcd = Etcd::start();
    let (hosts, record) = member(&etcd.url(), PLAIN);
    let Some(mut server) = NameServer::prepare() else {
        return;
    };
    let backend = Nginx::start();
    let address = backend.address();
    let mut agent = register();
    agent.args(["--service", "web", "--address", &address]);
    agent.args(["--discovery-srv", DOMAIN, "--log-format", "json"]);
    let agent = Running::spawn(&mut server.asked_by(&hosts, &agent));
    agent.wait_for_event("etcd_lost", SOON);
    server.serve(&[record]);
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(agent.said("endpoints_found"), 1);
}

#[test]
fn endpoints_are_looked_up_again_when_all_have_failed_for_a_while() {
    let (mut former, etcd) = (Etcd::start(), Etcd::start());
    let (ip, port) = place(&former.url());
    let hosts = format!("{ip} former.example.test\\n");
    let (more, record) = member(&etcd.url(), PLAIN);
    let before = (PLAIN, 1, "former.example.test", port);
    let Some(mut server) = NameServer::start(&[before]) else {
        return;
    };
    let backend = Nginx::start();
    let address = backend.address();
    let mut agent = register();
    agent.args(["--service", "web", "--address", &address]);
    agent.args(["--discovery-srv", DOMAIN]);
    let agent = Running::spawn(&mut server.asked_by(&(hosts + &more), &agent));
    former.wait_for(&backend.key(), SOON);
    server.serve(&[record]);
    former.kill();
    etcd.wait_for(&backend.key(), 2 * SOON);
    assert_eq!(agent.said("endpoints_found"), 2);
}

#[test]
fn a_command_says_what_it_looked_for_in_vain() {
    let Some(mut server) = NameServer::prepare() else {
        return;
    };
    let said = |server: &NameServer, command: &Command| {
        let (code, _, complaint) = outcome(&mut server.asked_by("", command));
        assert_eq!(code, 3, "{complaint}");
        complaint
    };
    let unanswered = said(&server, &list());
    let words = "etcd at example.test: no name server answers";
    assert!(unanswered.contains(words), "{unanswered}");
    server.serve(&[(PLAIN, 1, "member.example.test", 1)]);
    let mut with_user = list();
    with_user.args(["--user", "web:pw"]);
    let refused = said(&server, &with_user);
    let words = "there is no SRV record _etcd-client-ssl._tcp.example.test; without TLS";
    assert!(refused.contains(words), "{refused}");
}

#[test]
fn a_members_certificate_has_to_be_for_the_domain() {
    for (name, expected) in [(DOMAIN, 0), ("member.example.test", 3)] {
        let pki = Pki::new();
        let ip = *own_address().ip();
        let (cert, key) = pki.issue("server", &[&ip.to_string(), name]);
        let (client, client_key) = pki.issue("client", &["client"]);
        let ca = pki.path("ca.pem");
        let etcd = Etcd::start_tls(ip, &ca, (&cert, &key), (&client, &client_key));
        let (hosts, record) = member(&etcd.url(), TLS);
        let Some(server) = NameServer::start(&[record]) else {
            return;
        };
        let mut command = list();
        command.arg("--cacert").arg(&ca);
        command.arg("--cert").arg(&client);
        command.arg("--cert-key").arg(&client_key);
        let (code, _, complaint) = outcome(&mut server.asked_by(&hosts, &command));
        assert_eq!(code, expected, "{complaint}");
        if expected == 3 {
            assert!(complaint.contains("not valid for name"), "{complaint}");
        }
    }
}
