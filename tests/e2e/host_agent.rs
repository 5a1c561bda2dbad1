use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::access::with_users;
use crate::harness::{Etcd, Farm, Health, Running, SOON, Wire, eventually, register};

/// An agent, its services file and their backends.
struct Host {
    directory: TempDir,
    etcd_table: String,
    farm: Farm,
}

impl Host {
    fn of(etcd: &Etcd, count: usize) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            etcd_table: format!("[etcd]\nendpoints = [\"{}\"]\n", etcd.url()),
            farm: Farm::start(count),
        }
    }

    fn with_user(self, user: &str) -> Self {
        let etcd_table = format!("{}user = \"{user}\"\n", self.etcd_table);
        Self { etcd_table, ..self }
    }

    /// Quick to notice.
    fn write(&self, defaults: &str, services: &str) {
        let path = self.directory.path().join("register.toml");
        let etcd = &self.etcd_table;
        let intervals = "interval = \"200ms\"\nfast_interval = \"100ms\"\n";
        let text = format!("{etcd}[defaults]\n{intervals}{defaults}\n{services}");
        // As an editor does it.
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn write_services(&self, numbers: impl IntoIterator<Item = usize>) {
        let services = numbers.into_iter().map(|number| self.service(number, ""));
        self.write("", &services.collect::<String>());
    }

    fn service(&self, number: usize, fields: &str) -> String {
        let address = self.farm.address(number);
        let key = key(number);
        format!("[[service]]\nname = \"web\"\naddress = \"{address}\"\nkey = \"{key}\"\n{fields}\n")
    }

    fn agent(&self) -> Running {
        let path = self.directory.path().join("register.toml");
        Running::spawn(register().arg("--config").arg(path))
    }
}

fn key(number: usize) -> String {
    format!("/services/web/{number:04}")
}

fn keys(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(key).collect()
}

/// Waits until exactly these are there: with the revision at which each was put.
fn wait_for(etcd: &Etcd, wanted: &BTreeSet<String>, limit: Duration) -> BTreeMap<String, i64> {
    eventually("the keys are there", limit, || {
        let found = etcd.keys("/services/");
        let names: BTreeSet<_> = found.keys().cloned().collect();
        let too_few: Vec<_> = wanted.difference(&names).take(3).collect();
        let too_many: Vec<_> = names.difference(wanted).take(3).collect();
        match too_few.is_empty() && too_many.is_empty() {
            true => Ok(found),
            false => Err(format!(
                "{} keys; missing {too_few:?} …, too many {too_many:?} …",
                names.len()
            )),
        }
    })
}

fn reload(agent: &Running) {
    let before = agent.said("reloaded") + agent.said("reload_failed");
    agent.signal(Signal::HUP);
    eventually("it has reloaded", SOON, || {
        let now = agent.said("reloaded") + agent.said("reload_failed");
        (now > before).then_some(()).ok_or_else(|| agent.log())
    });
}

#[test]
fn keys_follow_the_services_of_a_file() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 3);
    host.write_services(0..3);
    let mut agent = host.agent();
    wait_for(&etcd, &keys(0..3), SOON);
    host.farm.set(1, Health::Down);
    wait_for(&etcd, &keys([0, 2]), SOON);
    host.farm.set(1, Health::Up);
    let before = wait_for(&etcd, &keys(0..3), SOON);
    let revision = etcd.revision();
    // A few probes of each, and a look at what they cost.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(etcd.revision(), revision);
    assert_eq!(etcd.keys("/services/"), before);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 0, "{}", agent.log());
    wait_for(&etcd, &keys([]), SOON);
    assert_eq!(etcd.lease_count(), 0);
}

#[test]
fn a_reload_applies_the_difference_and_leaves_the_rest_alone() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 4);
    host.write_services(0..3);
    let agent = host.agent();
    let before = wait_for(&etcd, &keys(0..3), SOON);
    let leases = |number| etcd.get(&key(number)).unwrap().lease;
    let lease = leases(0);

    // The first stays, the second has another value, the third is gone, and the fourth is new.
    let changed = host.service(1, "value = \"{address} weight=5\"");
    let services = [host.service(0, ""), changed, host.service(3, "")].concat();
    host.write("", &services);
    let revision = etcd.revision();
    reload(&agent);
    let after = wait_for(&etcd, &keys([0, 1, 3]), SOON);
    let held = etcd.wait_for_value(&key(1), &format!("{} weight=5", host.farm.address(1)));
    assert_eq!(after[&key(0)], before[&key(0)]);
    assert_eq!(leases(0), lease);
    assert!(held.mod_revision > revision);
    // A deletion, a new key, and one put anew.
    assert_eq!(etcd.revision(), revision + 3);

    // Nothing has changed: etcd sees nothing of it.
    reload(&agent);
    assert_eq!(etcd.revision(), revision + 3);
    assert_eq!(etcd.lease_count(), 3);
}

#[test]
fn a_key_whose_value_changes_is_never_absent() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 1);
    host.write_services([0]);
    let agent = host.agent();
    wait_for(&etcd, &keys([0]), SOON);
    let first = etcd.revision();
    for round in 1..=5 {
        let value = format!("round {round}");
        let fields = format!("value = \"{value}\"\nttl = \"{}s\"", 30 + round);
        host.write("", &host.service(0, &fields));
        reload(&agent);
        etcd.wait_for_value(&key(0), &value);
    }
    // One revision each: a deletion would be one more.
    assert_eq!(etcd.revision(), first + 5);
    eventually("one lease is left", SOON, || match etcd.lease_count() {
        1 => Ok(()),
        count => Err(format!("{count} leases")),
    });
}

#[test]
fn a_file_that_is_not_sound_leaves_everything_as_it_was() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 3);
    host.write_services(0..2);
    let agent = host.agent();
    let before = wait_for(&etcd, &keys(0..2), SOON);
    let revision = etcd.revision();
    let bad = [
        "[[service]]\nname = \"web\"\naddre",
        "[[service]]\n",
        "",
        "[[service]]\nname = \"web\"\naddress = \"${NOT_SET}:1\"\n",
    ];
    for services in bad {
        host.write("", services);
        reload(&agent);
        assert_eq!(etcd.keys("/services/"), before, "{services}");
    }
    fs::remove_file(host.directory.path().join("register.toml")).unwrap();
    reload(&agent);
    assert_eq!(agent.said("reloaded"), 0);
    assert_eq!(etcd.revision(), revision);
    assert!(agent.log().contains("line"), "{}", agent.log());
    host.write_services(0..3);
    reload(&agent);
    wait_for(&etcd, &keys(0..3), SOON);
}

#[test]
fn a_service_is_drained_by_its_file_and_put_back() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 2);
    let drained = |is_drained: bool| {
        let fields = format!("drained = {is_drained}");
        [host.service(0, &fields), host.service(1, "")].concat()
    };
    host.write("", &drained(true));
    let agent = host.agent();
    wait_for(&etcd, &keys([1]), SOON);
    host.write("", &drained(false));
    reload(&agent);
    wait_for(&etcd, &keys([0, 1]), SOON);
    host.write("", &drained(true));
    reload(&agent);
    wait_for(&etcd, &keys([1]), SOON);
    assert_eq!(agent.said("drained"), 2);
}

#[test]
fn one_service_that_etcd_refuses_keeps_none_of_the_others() {
    let etcd = with_users(Etcd::start());
    let host = Host::of(&etcd, 3).with_user("web:sesame");
    // The role covers what is below /services/web/.
    let elsewhere = host.service(0, "").replace("/services/web/", "/elsewhere/");
    let services = [host.service(1, ""), elsewhere, host.service(2, "")].concat();
    host.write("", &services);
    let agent = host.agent();
    let before = wait_for(&etcd, &keys([1, 2]), SOON);
    agent.wait_for_event("write_rejected", SOON);
    host.farm.set(2, Health::Down);
    wait_for(&etcd, &keys([1]), SOON);
    assert_eq!(etcd.keys("/services/")[&key(1)], before[&key(1)]);
    etcd.ctl(&[
        "role",
        "grant-permission",
        "web",
        "--prefix=true",
        "readwrite",
        "/elsewhere/",
    ]);
    etcd.wait_for("/elsewhere/0000", SOON);
    // It is watched by now, too.
    etcd.ctl(&["del", "/elsewhere/0000"]);
    etcd.wait_for("/elsewhere/0000", SOON);
    assert_eq!(agent.said("write_rejected"), 1, "{}", agent.log());
}

#[test]
fn who_takes_one_key_takes_no_other() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 3);
    host.write_services(0..3);
    let agent = host.agent();
    let before = wait_for(&etcd, &keys(0..3), SOON);
    etcd.put_leased(&key(1), "another", 60);
    agent.wait_for_event("displaced", SOON);
    etcd.ctl(&["del", &key(2)]);
    etcd.wait_for(&key(2), SOON);
    assert_eq!(etcd.get(&key(1)).unwrap().value, "another");
    assert_eq!(etcd.keys("/services/")[&key(0)], before[&key(0)]);
    etcd.ctl(&["del", &key(1)]);
    etcd.wait_for_value(&key(1), &host.farm.address(1));
}

#[test]
fn a_restart_of_etcd_costs_no_revision() {
    let mut etcd = Etcd::start();
    let host = Host::of(&etcd, 20);
    host.write_services(0..20);
    let agent = host.agent();
    let before = wait_for(&etcd, &keys(0..20), SOON);
    let revision = etcd.revision();
    etcd.kill();
    agent.wait_for_event("etcd_lost", SOON);
    etcd.restart();
    agent.wait_for_event("etcd_back", SOON);
    // What turned meanwhile is carried out.
    host.farm.set(7, Health::Down);
    let rest: BTreeSet<_> = keys((0..20).filter(|number| *number != 7));
    let after = wait_for(&etcd, &rest, SOON);
    assert!(after.iter().all(|(key, revision)| before[key] == *revision));
    assert_eq!(etcd.revision(), revision + 1);
}

/// How often etcd was asked for keys since it started.
fn ranges(etcd: &Etcd) -> u64 {
    let metrics = Command::new("curl")
        .args(["--silent", "--fail", &format!("{}/metrics", etcd.url())])
        .output()
        .unwrap();
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    let started = metrics.lines().filter(|line| {
        line.starts_with("grpc_server_started_total") && line.contains("grpc_method=\"Range\"")
    });
    let counts = started.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

#[test]
fn after_a_reconnect_to_the_same_history_no_key_is_read_again() {
    let etcd = Etcd::start();
    let wire = Wire::to(etcd.address());
    let mut host = Host::of(&etcd, 30);
    host.etcd_table = format!("[etcd]\nendpoints = [\"{}\"]\n", wire.url());
    let services: String = (0..30).map(|number| host.service(number, "")).collect();
    // So that it notices soon.
    host.write("ttl = \"5s\"", &services);
    let agent = host.agent();
    wait_for(&etcd, &keys(0..30), SOON);
    assert_eq!(wire.connections(), 1);
    let before = ranges(&etcd);
    wire.cut();
    agent.wait_for_event("etcd_lost", SOON);
    wire.mend();
    agent.wait_for_event("etcd_back", SOON);
    let reads = ranges(&etcd) - before;
    assert!(reads <= 2, "{reads} reads");
}

#[test]
fn backends_that_hang_do_not_delay_the_others() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 300);
    let services = (0..300).map(|number| host.service(number, ""));
    host.write("timeout = \"2s\"", &services.collect::<String>());
    for number in 0..250 {
        host.farm.set(number, Health::Hung);
    }
    let _agent = host.agent();
    wait_for(&etcd, &keys(250..300), SOON);
    for number in [250, 275, 299] {
        let begun = Instant::now();
        host.farm.set(number, Health::Down);
        etcd.wait_until_gone(&key(number), SOON);
        // Two probes, at intervals of 200 and 100 ms.
        assert!(begun.elapsed() < Duration::from_millis(1_500));
    }
}

#[test]
fn when_the_agent_is_killed_its_keys_go_together() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 200);
    let services = (0..200).map(|number| host.service(number, ""));
    host.write("ttl = \"3s\"", &services.collect::<String>());
    let agent = host.agent();
    wait_for(&etcd, &keys(0..200), SOON);
    // Some are put later, and yet go with the others.
    host.farm.set(5, Health::Down);
    etcd.wait_until_gone(&key(5), SOON);
    host.farm.set(5, Health::Up);
    etcd.wait_for(&key(5), SOON);
    std::thread::sleep(Duration::from_secs(2));
    agent.signal(Signal::KILL);
    let first = eventually("one is gone", SOON, || {
        match etcd.keys("/services/").len() {
            200 => Err(String::new()),
            _ => Ok(Instant::now()),
        }
    });
    wait_for(&etcd, &keys([]), SOON);
    let apart = first.elapsed();
    assert!(apart < Duration::from_secs(3), "{apart:?}");
}

#[test]
fn a_second_sigterm_leaves_at_once() {
    let etcd = Etcd::start();
    let host = Host::of(&etcd, 2);
    let services = [host.service(0, ""), host.service(1, "")].concat();
    host.write("drain = \"1m\"", &services);
    let mut agent = host.agent();
    wait_for(&etcd, &keys(0..2), SOON);
    agent.signal(Signal::TERM);
    agent.wait_for_event("draining", SOON);
    wait_for(&etcd, &keys([]), SOON);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_for_exit(SOON), 128 + 15);
}
