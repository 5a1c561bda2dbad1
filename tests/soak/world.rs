//! All that runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::{register, render};
use crate::harness::{Confdir, Etcd, Mood, Running, Site, eventually};

const AGENTS: usize = 100;
const PROXIES: usize = 3;
const MEMBERS: usize = 3;

/// So many agents and proxies, the first ones, are never restarted: they show what grows.
pub const VETERAN_AGENTS: usize = 10;
pub const VETERAN_PROXIES: usize = 1;

/// Many times the TTL: a killed agent's lease has to go, on a machine that is loaded by all this.
const PATIENCE: Duration = Duration::from_secs(60);

const LIST: &str = "{{range gets \"/services/web/*\"}}{{.Key}} {{.Value}}\n{{end}}";

pub struct World {
    pub members: Vec<Etcd>,
    /// The one that is not well, if any.
    pub away: Option<(usize, Away)>,
    pub agents: Vec<Agent>,
    pub proxies: Vec<Proxy>,
}

#[derive(Clone, Copy)]
pub enum Away {
    Killed,
    Hung,
}

pub struct Agent {
    site: Site,
    pub mood: Mood,
    process: Running,
}

pub struct Proxy {
    confdir: Confdir,
    process: Running,
}

impl World {
    pub fn start() -> Self {
        let members = Etcd::start_cluster(MEMBERS);
        let urls = urls(&members);
        let agents = (0..AGENTS).map(|_| Agent::start(&urls)).collect();
        let proxies = (0..PROXIES).map(|_| Proxy::start(&urls)).collect();
        Self {
            members,
            away: None,
            agents,
            proxies,
        }
    }

    pub fn restart_agent(&mut self, number: usize, signal: Signal) {
        let urls = urls(&self.members);
        let agent = &mut self.agents[number];
        end(&mut agent.process, signal, &[0, 3]);
        agent.process = spawn_agent(&agent.site, &urls);
    }

    pub fn restart_proxy(&mut self, number: usize, signal: Signal) {
        let urls = urls(&self.members);
        let proxy = &mut self.proxies[number];
        end(&mut proxy.process, signal, &[0]);
        proxy.process = spawn_proxy(&proxy.confdir, &urls);
    }

    /// All members of etcd are well again.
    pub fn repair(&mut self) {
        match self.away.take() {
            Some((number, Away::Killed)) => self.members[number].restart_within(PATIENCE),
            Some((number, Away::Hung)) => self.members[number].resume(),
            None => {}
        }
    }

    /// The keys that should be there, with their values.
    pub fn healthy(&self) -> BTreeMap<String, String> {
        let well = self.agents.iter().filter(|agent| agent.mood == Mood::Well);
        well.map(|agent| {
            let address = agent.site.address();
            let key = format!("/services/web/{}", address.ip());
            (key, address.to_string())
        })
        .collect()
    }

    /// How long it took until the healthy backends and no others were in etcd, with a lease each
    /// and no lease besides, in each proxy's file, and in what that proxy's daemon has loaded.
    pub fn wait_until_in_step(&self) -> Duration {
        let start = Instant::now();
        let healthy = self.healthy();
        let lines: Vec<_> = healthy.iter().map(|(k, v)| format!("{k} {v}")).collect();
        eventually("all is in step", PATIENCE, || {
            self.compare("keys", &keys(&self.members[0])?, &lines)?;
            for proxy in &self.proxies {
                for file in ["app.conf", "loaded"] {
                    let text = proxy.confdir.read(file).unwrap_or_default();
                    let found: Vec<_> = text.lines().map(str::to_owned).collect();
                    self.compare(file, &found, &lines)?;
                }
            }
            let leases = self.members[0].try_ctl(&["lease", "list"])?;
            match leases.lines().count() - 1 {
                count if count == lines.len() => Ok(()),
                count => Err(format!("{count} leases for {} keys", lines.len())),
            }
        });
        start.elapsed()
    }

    /// Names what differs, with the log of the agent that it is about.
    fn compare(&self, what: &str, found: &[String], wanted: &[String]) -> Result<(), String> {
        let lacks = wanted.iter().find(|line| !found.contains(line));
        let has = found.iter().find(|line| !wanted.contains(line));
        let Some(line) = lacks.or(has) else {
            return Ok(());
        };
        let agent = self
            .agents
            .iter()
            .find(|agent| line.ends_with(&agent.site.address().to_string()));
        let log = agent.map(|agent| agent.process.log());
        Err(format!(
            "{what}: lacks {lacks:?}, has {has:?}\n{}",
            log.unwrap_or_default()
        ))
    }

    /// Those that have run from the start: agents, and proxies.
    pub fn veterans(&self) -> [Vec<&Running>; 2] {
        let agents = self.agents.iter().take(VETERAN_AGENTS);
        let proxies = self.proxies.iter().take(VETERAN_PROXIES);
        [
            agents.map(|agent| &agent.process).collect(),
            proxies.map(|proxy| &proxy.process).collect(),
        ]
    }

    /// Everything ends in order: the agents take their keys along, and the proxies see it.
    pub fn stop(mut self) {
        for agent in &mut self.agents {
            agent.process.signal(Signal::TERM);
        }
        for agent in &mut self.agents {
            assert_eq!(agent.process.wait_for_exit(PATIENCE), 0);
            agent.mood = Mood::Ill;
        }
        self.wait_until_in_step();
        for proxy in &mut self.proxies {
            end(&mut proxy.process, Signal::TERM, &[0]);
        }
    }
}

impl Agent {
    fn start(urls: &str) -> Self {
        let site = Site::start(Mood::Well);
        let process = spawn_agent(&site, urls);
        Self {
            site,
            mood: Mood::Well,
            process,
        }
    }

    pub fn turn(&mut self, mood: Mood) {
        self.mood = mood;
        self.site.turn(mood);
    }
}

impl Proxy {
    fn start(urls: &str) -> Self {
        let confdir = Confdir::new();
        let fields = format!(
            "keys = [\"/services/web\"]\ncheck_cmd = \"test -e {{{{.src}}}}\"\n\
             reload_cmd = \"cp {} {}\"",
            confdir.dest("app.conf").display(),
            confdir.dest("loaded").display(),
        );
        confdir.add("app.conf", &fields, LIST);
        let process = spawn_proxy(&confdir, urls);
        Self { confdir, process }
    }
}

fn urls(members: &[Etcd]) -> String {
    let urls: Vec<_> = members.iter().map(Etcd::url).collect();
    urls.join(",")
}

fn spawn_agent(site: &Site, urls: &str) -> Running {
    Running::spawn(
        register()
            .args(["--service", "web", "--endpoints", urls])
            .args(["--address", &site.address().to_string(), "--ttl", "5s"])
            .args(["--interval", "1s", "--fast-interval", "300ms"])
            .args(["--timeout", "1s"]),
    )
}

fn spawn_proxy(confdir: &Confdir, urls: &str) -> Running {
    Running::spawn(&mut render(urls, confdir))
}

fn end(process: &mut Running, signal: Signal, codes: &[i32]) {
    // One that has only just been started would not end in order yet.
    eventually("SIGTERM is caught", PATIENCE, || {
        match catches_sigterm(process) {
            true => Ok(()),
            false => Err(process.log()),
        }
    });
    process.signal(signal);
    let code = process.wait_for_exit(PATIENCE);
    let killed = signal == Signal::KILL && code == 128 + 9;
    assert!(
        killed || codes.contains(&code),
        "exit code {code}: {}",
        process.log()
    );
}

fn catches_sigterm(process: &Running) -> bool {
    let status = process.proc("status");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 1 << (Signal::TERM.as_raw() - 1) != 0)
}

/// A line with key and value for each.
fn keys(etcd: &Etcd) -> Result<Vec<String>, String> {
    let text = etcd.try_ctl(&["get", "--prefix", "/services/web/"])?;
    let lines: Vec<_> = text.lines().collect();
    Ok(lines.chunks(2).map(|pair| pair.join(" ")).collect())
}
