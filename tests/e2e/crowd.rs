use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Etcd, Farm, Health, Running, SOON, eventually, figure, register};

const FOREIGN: &str = "/services/foreign/0";

/// As in the services file.
const TTL: Duration = Duration::from_secs(10);

/// One agent for many services, three members, and what is to be in etcd.
struct Crowd {
    members: Vec<Etcd>,
    farm: Farm,
    directory: TempDir,
    agent: Running,
    rng: Rng,
    health: Vec<Health>,
    listed: Vec<bool>,
    drained: Vec<bool>,
}

impl Crowd {
    fn start(count: usize, seed: u64) -> Self {
        let members = Etcd::start_cluster(3);
        members[0].ctl(&["put", FOREIGN, "not ours"]);
        let farm = Farm::start(count);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("register.toml");
        let listed = vec![true; count];
        let drained = vec![false; count];
        write(&file, &text(&members, &farm, &listed, &drained));
        let agent = Running::spawn(register().arg("--config").arg(&file));
        Self {
            members,
            farm,
            directory,
            agent,
            rng: Rng::with_seed(seed),
            health: vec![Health::Up; count],
            listed,
            drained,
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("register.toml")
    }

    fn some(&mut self, most: usize) -> Vec<usize> {
        let count = self.health.len();
        let many = self.rng.usize(1..=most);
        (0..many).map(|_| self.rng.usize(0..count)).collect()
    }

    /// What is to be there.
    fn wanted(&self) -> BTreeSet<String> {
        let is_wanted = |number: &usize| {
            self.health[*number] == Health::Up && self.listed[*number] && !self.drained[*number]
        };
        let numbers = (0..self.health.len()).filter(is_wanted);
        numbers.map(key).collect()
    }

    fn wait_until_in_step(&self, what: &str, limit: Duration) {
        let wanted = self.wanted();
        eventually(&format!("in step after: {what}"), limit, || {
            let member = &self.members[2];
            // A member without a leader answers nothing.
            let found = member.try_ctl(&["get", "--prefix", "--keys-only", "/services/web/"])?;
            let found: BTreeSet<_> = found.split_whitespace().map(str::to_owned).collect();
            let missing: Vec<_> = wanted.difference(&found).take(3).collect();
            let too_many: Vec<_> = found.difference(&wanted).take(3).collect();
            match missing.is_empty() && too_many.is_empty() {
                true => Ok(()),
                false => Err(format!(
                    "missing {missing:?} …, too many {too_many:?} …\n{}",
                    self.agent.log()
                )),
            }
        });
    }

    /// Something happens. What it was.
    fn happens(&mut self) -> &'static str {
        match self.rng.u8(0..8) {
            0 | 1 => {
                for number in self.some(50) {
                    let health = [Health::Up, Health::Up, Health::Down, Health::Hung];
                    let health = health[self.rng.usize(0..health.len())];
                    self.health[number] = health;
                    self.farm.set(number, health);
                }
                "backends turned"
            }
            2 => {
                for number in self.some(30) {
                    self.listed[number] = self.rng.bool();
                    self.drained[number] = self.rng.u8(0..4) == 0;
                }
                self.reload();
                "a reload"
            }
            3 => {
                for number in self.some(5) {
                    let _gone = self.members[2].try_ctl(&["del", &key(number)]);
                }
                "keys were deleted"
            }
            4 => {
                for number in self.some(5) {
                    if let Some(held) = self.members[2].get(&key(number)) {
                        let lease = format!("{:x}", held.lease);
                        let _gone = self.members[2].try_ctl(&["lease", "revoke", &lease]);
                    }
                }
                "leases were revoked"
            }
            5 => {
                self.members[0].kill();
                self.members[0].restart();
                "a member was restarted"
            }
            6 => {
                self.members[1].hang();
                std::thread::sleep(Duration::from_secs(3));
                self.members[1].resume();
                "a member hung"
            }
            _ => {
                fs::write(self.file(), "[[service]]\nname = ").unwrap();
                self.agent.signal(Signal::HUP);
                self.agent.wait_for_event("reload_failed", SOON);
                self.reload();
                "a half-written file"
            }
        }
    }

    fn reload(&self) {
        let text = text(&self.members, &self.farm, &self.listed, &self.drained);
        write(&self.file(), &text);
        self.agent.signal(Signal::HUP);
    }
}

fn key(number: usize) -> String {
    format!("/services/web/{number:04}")
}

fn text(members: &[Etcd], farm: &Farm, listed: &[bool], drained: &[bool]) -> String {
    let endpoints: Vec<_> = members
        .iter()
        .map(|member| format!("{:?}", member.url()))
        .collect();
    let head = format!(
        "[etcd]\nendpoints = [{}]\n[defaults]\ninterval = \"1s\"\nfast_interval = \"500ms\"\ntimeout = \"1s\"\nttl = \"10s\"\n",
        endpoints.join(", ")
    );
    let services = listed.iter().enumerate().filter(|(_, listed)| **listed);
    let services = services.map(|(number, _)| {
        let (key, address) = (key(number), farm.address(number));
        let drained = drained[number];
        format!(
            "[[service]]\nname = \"web\"\nkey = \"{key}\"\naddress = \"{address}\"\ndrained = {drained}\n"
        )
    });
    head + &services.collect::<String>()
}

fn write(file: &PathBuf, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

/// With `LONG_TESTS` set, a thousand services for a minute. `SEED` repeats a run's choices.
#[test]
fn each_key_is_there_exactly_when_its_service_is_healthy_whatever_happens() {
    let is_long = std::env::var_os("LONG_TESTS").is_some();
    let (count, time) = match is_long {
        true => (1_000, Duration::from_secs(60)),
        false => (200, Duration::from_secs(15)),
    };
    let seed =
        std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut crowd = Crowd::start(count, seed);
    let begun = Instant::now();
    crowd.wait_until_in_step("the start", 3 * SOON);
    figure(&format!(
        "{count} services were registered after {} ms",
        begun.elapsed().as_millis()
    ));
    let begun = Instant::now();
    let mut events = 0;
    while begun.elapsed() < time {
        let what = crowd.happens();
        events += 1;
        crowd.wait_until_in_step(what, 2 * SOON);
    }
    figure(&format!("{events} things happened to {count} services"));
    assert_eq!(crowd.members[2].get(FOREIGN).unwrap().value, "not ours");
    crowd.agent.signal(Signal::TERM);
    assert_eq!(crowd.agent.wait_for_exit(SOON), 0);
    crowd.health.fill(Health::Down);
    crowd.wait_until_in_step("the stop", Duration::from_secs(1));
    // One that was granted as its member died, so that nobody heard of it, holds no key and expires.
    eventually("no lease is left", TTL + SOON, || {
        match crowd.members[2].lease_count() {
            0 => Ok(()),
            count => Err(format!("{count} leases")),
        }
    });
}
