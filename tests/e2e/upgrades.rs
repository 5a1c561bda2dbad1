use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Balancer, Etcd, Farm, Load, Nginx, Running, SOON, eventually, register};

/// As `RestartForceExitStatus=` of the units has it.
const UPGRADE: i32 = 140;

/// A place where the program is installed, and replaced.
struct Installed(TempDir);

impl Installed {
    fn new() -> Self {
        let installed = Self(tempfile::tempdir().unwrap());
        installed.replace_by_ours();
        installed
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("register")
    }

    /// As a package does it: another file in place of the former.
    fn replace_by_ours(&self) {
        self.replace(|new| {
            fs::copy(register().get_program(), new).unwrap();
        });
    }

    /// One that takes no settings.
    fn replace_by_another(&self, script: &str) {
        self.replace(|new| fs::write(new, format!("#!/bin/sh\n{script}\n")).unwrap());
    }

    fn replace(&self, write: impl FnOnce(&PathBuf)) {
        let new = self.0.path().join("register.new");
        write(&new);
        fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// In the environment of tests.
    fn command(&self) -> Command {
        let ours = register();
        let mut command = Command::new(self.path());
        for (name, value) in ours.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn sidekick(&self, etcd: &Etcd, backend: &Nginx) -> Running {
        let mut command = self.command();
        command
            .args(["--service", "web", "--address", &backend.address()])
            .args(["--endpoints", &etcd.url()])
            .args(["--interval", "200ms", "--fast-interval", "100ms"]);
        Running::spawn(&mut command)
    }
}

fn leaves(agent: &mut Running) {
    agent.signal(Signal::USR2);
    assert_eq!(agent.wait_for_exit(SOON), UPGRADE, "{}", agent.log());
    assert_eq!(agent.said("upgrading"), 1);
}

#[test]
fn an_upgrade_of_a_sidekick_costs_one_revision_and_no_request() {
    let (etcd, backend, installed) = (Etcd::start(), Nginx::start(), Installed::new());
    let mut agent = installed.sidekick(&etcd, &backend);
    etcd.wait_for(&backend.key(), SOON);
    let balancer = Balancer::start(&etcd);
    let load = Load::on(balancer.address());
    load.wait_for_answers_of(&backend.address());
    for _ in 0..3 {
        let before = etcd.revision();
        installed.replace_by_ours();
        leaves(&mut agent);
        assert!(etcd.get(&backend.key()).is_some());
        agent = installed.sidekick(&etcd, &backend);
        agent.wait_for_event("inherited", SOON);
        // A deletion would be one more.
        assert_eq!(etcd.revision(), before + 1);
    }
    load.wait_for_answers_in_a_row(100);
    let tally = load.tally();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
}

#[test]
fn an_upgrade_of_a_host_takes_over_each_of_its_keys() {
    const COUNT: usize = 50;
    let (etcd, farm, installed) = (Etcd::start(), Farm::start(COUNT), Installed::new());
    let file = installed.0.path().join("register.toml");
    let services = (0..COUNT).map(|number| {
        let address = farm.address(number);
        format!(
            "[[service]]\nname = \"web\"\naddress = \"{address}\"\nkey = \"/services/web/{number}\"\n"
        )
    });
    let services: String = services.collect();
    let etcd_table = format!("[etcd]\nendpoints = [\"{}\"]\n", etcd.url());
    let defaults = "[defaults]\ninterval = \"500ms\"\nttl = \"5s\"\n";
    fs::write(&file, format!("{etcd_table}{defaults}{services}")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let start = || Running::spawn(installed.command().arg("--config").arg(&file));
    let mut agent = start();
    let all_there = |known: i64| {
        eventually("all keys are newer", SOON, || {
            let keys = etcd.keys("/services/");
            let newer = keys.values().filter(|revision| **revision > known).count();
            match newer {
                COUNT => Ok(()),
                fewer => Err(format!("{fewer} of {}", keys.len())),
            }
        });
    };
    all_there(0);
    // So that leases are some way through their TTL.
    std::thread::sleep(Duration::from_secs(2));
    let before = etcd.revision();
    leaves(&mut agent);
    agent = start();
    all_there(before);
    assert_eq!(etcd.revision(), before + i64::try_from(COUNT).unwrap());
    // The leases of before run out, and take nothing along.
    eventually("the former leases are gone", 2 * SOON, || {
        match etcd.lease_count() {
            COUNT => Ok(()),
            count => Err(format!("{count} leases")),
        }
    });
    assert_eq!(etcd.keys("/services/").len(), COUNT);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0);
}

#[test]
fn a_program_that_does_not_take_the_settings_leaves_the_old_one_running() {
    let (etcd, backend, installed) = (Etcd::start(), Nginx::start(), Installed::new());
    let mut agent = installed.sidekick(&etcd, &backend);
    etcd.wait_for(&backend.key(), SOON);
    let before = etcd.revision();
    installed.replace_by_another("echo 'error: no such flag' >&2; exit 2");
    agent.signal(Signal::USR2);
    agent.wait_for_event_with("upgrade_refused", "no such flag", SOON);
    fs::remove_file(installed.path()).unwrap();
    agent.signal(Signal::USR2);
    agent.wait_for_event_with("upgrade_refused", "No such file", SOON);
    assert_eq!(agent.try_wait(), None);
    assert_eq!(etcd.revision(), before);
    etcd.ctl(&["del", &backend.key()]);
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn while_etcd_is_away_an_upgrade_does_not_wait_for_it() {
    let (mut etcd, backend, installed) = (Etcd::start(), Nginx::start(), Installed::new());
    let mut agent = installed.sidekick(&etcd, &backend);
    etcd.wait_for(&backend.key(), SOON);
    etcd.kill();
    agent.wait_for_event("etcd_lost", SOON);
    leaves(&mut agent);
}
