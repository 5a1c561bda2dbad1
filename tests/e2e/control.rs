//! Agents and proxy sides that are asked over their control sockets.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::running::{outcome, render};
use crate::harness::{Confdir, Etcd, Nginx, Running, SOON, eventually, register};

/// A directory for sockets that nobody else may write to.
struct Sockets(TempDir);

impl Sockets {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.sock"))
    }

    fn flag(&self, name: &str) -> String {
        format!("--control={}", self.path(name).display())
    }

    /// A command that asks the process behind the socket of this name.
    fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = register();
        command.args(words).arg(self.flag(name));
        command
    }

    fn run(&self, name: &str, words: &[&str]) -> (i32, String, String) {
        outcome(&mut self.command(name, words))
    }

    /// The whole status of one process.
    fn status(&self, name: &str) -> Value {
        let (code, out, errors) = self.run(name, &["status", "--output=json"]);
        assert_eq!(code, 0, "{errors}");
        let answers: Value = serde_json::from_str(&out).unwrap();
        answers[0]["status"].clone()
    }
}

fn agent(etcd: &Etcd, backend: &Nginx, sockets: &Sockets) -> Running {
    let agent = Running::agent(etcd, backend, &[&sockets.flag("agent")]);
    etcd.wait_for(&backend.key(), SOON);
    agent
}

#[test]
fn a_drained_service_is_gone_once_the_command_ends_and_is_probed_until_it_is_put_back() {
    let (etcd, mut backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let agent = agent(&etcd, &backend, &sockets);
    let (code, out, errors) = sockets.run("agent", &["drain", "web"]);
    assert_eq!(
        (code, out.as_str()),
        (0, format!("drained {}\n", backend.key()).as_str()),
        "{errors}"
    );
    assert_eq!(etcd.get(&backend.key()), None);
    let service = sockets.status("agent")["services"][0].clone();
    assert_eq!(service["status"], "drained");
    assert_eq!(service["drained"], true);
    // Its health is known all the time: it comes back only if it is well.
    backend.stop();
    agent.wait_for_event("backend_down", SOON);
    let resumed = sockets.run("agent", &["resume", &backend.key()]);
    assert_eq!(resumed.0, 0, "{}", resumed.2);
    assert_eq!(etcd.get(&backend.key()), None);
    backend.restart();
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(sockets.status("agent")["services"][0]["drained"], false);
}

#[test]
fn a_drain_that_etcd_does_not_confirm_stays_in_force() {
    let (etcd, backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let _agent = agent(&etcd, &backend, &sockets);
    etcd.hang();
    let (code, _, errors) = sockets.run("agent", &["drain", "web", "--wait=500ms"]);
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("stays in force"), "{errors}");
    etcd.resume();
    etcd.wait_until_gone(&backend.key(), Duration::from_secs(15));
}

#[test]
fn a_drain_outlasts_a_reload_but_not_a_restart() {
    let (etcd, backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let file = sockets.0.path().join("register.toml");
    let write = |interval: &str| {
        let (url, address, control) = (etcd.url(), backend.address(), sockets.path("agent"));
        let text = format!(
            "[etcd]\nendpoints = [\"{url}\"]\n[agent]\ncontrol = {control:?}\n[[service]]\n\
             name = \"web\"\naddress = \"{address}\"\ninterval = \"{interval}\"\n"
        );
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    };
    write("200ms");
    let start = || Running::spawn(register().arg("--config").arg(&file));
    let mut agent = start();
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(sockets.run("agent", &["drain", "web"]).0, 0);
    write("300ms");
    agent.signal(Signal::HUP);
    agent.wait_for_event("reloaded", SOON);
    assert_eq!(sockets.status("agent")["services"][0]["status"], "drained");
    assert_eq!(etcd.get(&backend.key()), None);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0, "{}", agent.log());
    assert!(!sockets.path("agent").exists(), "it takes its socket away");
    let _agent = start();
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_service_that_nobody_has_is_a_mistake_and_names_what_to_do() {
    let (etcd, backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let _agent = agent(&etcd, &backend, &sockets);
    let (code, _, errors) = sockets.run("agent", &["drain", "wbe"]);
    assert_eq!(code, 2);
    assert!(
        errors.contains("\"wbe\"") && errors.contains("register status"),
        "{errors}"
    );
    let (code, _, errors) = sockets.run("agent", &["status", "wbe"]);
    assert_eq!(code, 1);
    assert!(errors.contains("\"wbe\""), "{errors}");
    assert!(etcd.get(&backend.key()).is_some());
}

#[test]
fn a_socket_without_a_process_is_named_and_the_others_are_shown() {
    let (etcd, backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let _agent = agent(&etcd, &backend, &sockets);
    let mut command = sockets.command("gone", &["status"]);
    let (code, out, errors) = outcome(command.arg(sockets.flag("agent")));
    assert_eq!(code, 1);
    assert!(errors.contains("gone.sock"), "{errors}");
    assert!(out.contains("web") && out.contains("registered"), "{out}");
}

#[test]
fn a_second_agent_on_the_same_socket_is_told_so_and_the_first_keeps_it() {
    let (etcd, backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let mut first = agent(&etcd, &backend, &sockets);
    let mut second = Running::agent(&etcd, &backend, &[&sockets.flag("agent")]);
    assert_eq!(second.wait_for_exit(SOON), 2, "{}", second.log());
    assert!(second.log().contains("agent.sock"), "{}", second.log());
    assert_eq!(sockets.status("agent")["process"]["pid"], first.id());
    // What a killed one leaves is replaced.
    first.signal(Signal::KILL);
    first.wait_for_exit(SOON);
    let third = agent(&etcd, &backend, &sockets);
    assert_eq!(sockets.status("agent")["process"]["pid"], third.id());
}

#[test]
fn deregister_beside_a_running_agent_has_it_keep_the_service_out() {
    let (etcd, backend, sockets) = (Etcd::start(), Nginx::start(), Sockets::new());
    let _agent = agent(&etcd, &backend, &sockets);
    let mut deregister = sockets.command("agent", &["deregister", "--service=web"]);
    deregister.arg(format!("--endpoints={}", etcd.url()));
    deregister.arg(format!("--address={}", backend.address()));
    let (code, out, errors) = outcome(&mut deregister);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("register resume"), "{out}");
    assert_eq!(etcd.get(&backend.key()), None);
    assert_eq!(sockets.status("agent")["services"][0]["status"], "drained");
}

#[test]
fn the_status_of_a_proxy_side_shows_what_became_of_each_file() {
    let (etcd, sockets) = (Etcd::start(), Sockets::new());
    etcd.ctl(&["put", "/a", "1"]);
    let confdir = Confdir::new()
        .with(
            "good",
            "keys = [\"/a\"]\nreload_cmd = \"true\"",
            "{{getv \"/a\"}}",
        )
        .with(
            "bad",
            "keys = [\"/a\"]\ncheck_cmd = \"false {{.src}}\"",
            "{{getv \"/a\"}}",
        );
    let _proxy = Running::spawn(render(&etcd.url(), &confdir).arg(sockets.flag("proxy")));
    let resources = eventually("something has become of both", SOON, || {
        if !sockets.path("proxy").exists() {
            return Err("no socket".to_owned());
        }
        let status = sockets.status("proxy");
        let resources = status["resources"].as_array().unwrap().clone();
        let waits = resources.iter().any(|one| one["state"] == "waiting");
        (!waits)
            .then_some(resources)
            .ok_or_else(|| status.to_string())
    });
    let of = |name: &str| resources.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(of("good.toml")["state"], "in_step");
    assert_eq!(of("good.toml")["reload"]["succeeded"], true);
    assert_eq!(of("good.toml")["file"]["size"], 1);
    assert_eq!(of("bad.toml")["state"], "check_failed");
    assert_eq!(of("bad.toml")["check"]["succeeded"], false);
    let (code, _, errors) = sockets.run("proxy", &["drain", "web"]);
    assert_eq!(code, 3, "{errors}");
}

#[test]
fn without_any_socket_the_commands_say_how_to_have_one() {
    let (code, _, errors) = outcome(register().arg("status"));
    if code == 2 {
        assert!(errors.contains("--control PATH"), "{errors}");
    }
}
