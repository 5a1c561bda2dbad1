//! From the death of a backend to the last request that nginx sent there, as a distribution.

use std::fs;
use std::net::SocketAddrV4;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::{Line, plot, table};
use crate::harness::load::ask;
use crate::harness::{
    Confdir, Etcd, Load, Nginx, Owned, Running, SOON, eventually, own_address, register, signal,
    tool,
};
use crate::peers;
use crate::process::Group;

const BACKENDS: usize = 21;
/// Primes with the loops' own pace, so that deaths fall all over their turns.
const BETWEEN: Duration = Duration::from_millis(1_730);

/// What registers a backend, and goes when this does.
enum Keeper {
    Agent(Running),
    Loop(Group),
}

struct Setting {
    name: &'static str,
    keep: fn(&Etcd, &Nginx) -> Keeper,
    proxy: fn(&Etcd, &Confdir) -> Running,
    /// The sidekick is stopped with its backend, as by `BindsTo=`.
    bound: bool,
    /// After the last death.
    patience: Duration,
}

const SETTINGS: [Setting; 5] = [
    Setting {
        name: "register, BindsTo=",
        keep: |etcd, backend| agent(etcd, backend, &[]),
        proxy: render,
        bound: true,
        patience: Duration::from_secs(3),
    },
    Setting {
        name: "register, probes every 100 ms",
        keep: |etcd, backend| {
            let quick = ["--interval", "100ms", "--fast-interval", "100ms"];
            agent(etcd, backend, &quick)
        },
        proxy: render,
        bound: false,
        patience: Duration::from_secs(3),
    },
    Setting {
        name: "register, probes every 5 s",
        keep: |etcd, backend| agent(etcd, backend, &[]),
        proxy: render,
        bound: false,
        patience: Duration::from_secs(12),
    },
    Setting {
        name: "loop every 1 s, confd -watch",
        keep: |etcd, backend| a_loop(etcd, backend, "1"),
        proxy: |etcd, confdir| confd(etcd, confdir, &["-watch"]),
        bound: false,
        patience: Duration::from_secs(8),
    },
    Setting {
        name: "loop every 20 s, confd -interval 10",
        keep: |etcd, backend| a_loop(etcd, backend, "20"),
        proxy: |etcd, confdir| confd(etcd, confdir, &["-interval", "10"]),
        bound: false,
        patience: Duration::from_secs(35),
    },
];

pub fn draw() {
    let lines: Vec<Line<'_>> = SETTINGS
        .iter()
        .map(|setting| (setting.name, shares(&measure(setting))))
        .collect();
    let title = match peers::confd() {
        Some(_) => "A backend's death → nginx's last request to it",
        None => "A backend's death → nginx's last request to it (confd: `register confd`)",
    };
    plot("deaths", title, "of all deaths, %", "seconds", &lines);
    table("of all deaths, %", &lines);
}

fn agent(etcd: &Etcd, backend: &Nginx, flags: &[&str]) -> Keeper {
    Keeper::Agent(Running::spawn(
        register()
            .args(["--service", "web", "--address", &backend.address()])
            .args(["--endpoints", &etcd.url()])
            .args(flags),
    ))
}

fn a_loop(etcd: &Etcd, backend: &Nginx, sleep: &str) -> Keeper {
    let body = peers::loop_body_v3(&backend.address(), &backend.key(), &etcd.url(), sleep);
    Keeper::Loop(Group::spawn(
        Command::new("bash")
            .args(["-c", &format!("while true; do {body} done")])
            .env("ETCDCTL_API", "3")
            .stdin(Stdio::null())
            .stderr(Stdio::null()),
    ))
}

fn render(etcd: &Etcd, confdir: &Confdir) -> Running {
    Running::proxy(&etcd.url(), confdir, &[])
}

/// That of the variable `CONFD`, or else our own, which takes its flags.
fn confd(etcd: &Etcd, confdir: &Confdir, flags: &[&str]) -> Running {
    match peers::confd() {
        Some(path) => peers::run_confd(&path, &etcd.url(), confdir, flags),
        None => Running::spawn(
            register()
                .args(["confd", "-backend", "etcdv3", "-node", &etcd.url()])
                .args(["-confdir", &confdir.flag(), "-log-level", "error"])
                .args(flags),
        ),
    }
}

/// The times in seconds, sorted.
fn measure(setting: &Setting) -> Vec<f64> {
    let etcd = Etcd::start();
    let mut backends: Vec<_> = (0..=BACKENDS)
        .map(|_| {
            let backend = Nginx::start();
            let keeper = (setting.keep)(&etcd, &backend);
            // The loops' turns begin all over their pace.
            sleep(Duration::from_millis(370));
            (backend, Some(keeper))
        })
        .collect();
    for (backend, _) in &backends {
        etcd.wait_for(&backend.key(), SOON);
    }
    let balancer = Balancer::start(|confdir| (setting.proxy)(&etcd, confdir));
    let load = Load::on(balancer.address);
    for (backend, _) in &backends {
        load.wait_for_answers_of(&backend.address());
    }
    let deaths: Vec<_> = backends
        .iter_mut()
        .skip(1)
        .map(|(backend, keeper)| {
            let died = SystemTime::now();
            backend.stop();
            if setting.bound
                && let Some(Keeper::Agent(agent)) = keeper
            {
                agent.signal(Signal::TERM);
            }
            sleep(BETWEEN);
            (backend.address(), died)
        })
        .collect();
    sleep(setting.patience);
    drop(load);
    let log = balancer.log();
    let mut times: Vec<_> = deaths
        .iter()
        .map(|(address, died)| last_use(&log, address, *died))
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Seconds after its death.
fn last_use(log: &str, address: &str, died: SystemTime) -> f64 {
    let died = died
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let uses = log.lines().filter_map(|line| {
        let (when, servers) = line.split_once(' ')?;
        let asked = servers.split(", ").any(|server| server == address);
        asked.then(|| when.parse::<f64>().unwrap())
    });
    // Two milliseconds, where it was not used again: so fine is the log's clock.
    uses.fold(0.002, |last, when| f64::max(last, when - died))
}

/// How many per cent have their last request by then.
fn shares(times: &[f64]) -> Vec<(f64, f64)> {
    let count = u32::try_from(times.len()).unwrap();
    let shares = (1..=count).map(|n| (100.0 * f64::from(n) / f64::from(count)).round());
    shares.zip(times.iter().copied()).collect()
}

/// nginx, and what keeps its file.
struct Balancer {
    address: SocketAddrV4,
    confdir: Confdir,
    nginx: Owned,
    _proxy: Running,
}

impl Drop for Balancer {
    /// Killed, its master process would leave the worker behind.
    fn drop(&mut self) {
        signal(&self.nginx.0, Signal::TERM);
        let _ended = self.nginx.0.wait();
    }
}

const MAIN: &str = "daemon off; worker_processes 1; pid nginx.pid;
events { worker_connections 256; }
http {
  log_format used '$msec $upstream_addr';
  access_log used.log used;
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
  include app.conf;
}
";

/// The tutorial's, but for `max_fails`, by which nginx would leave a dead server out for itself,
/// and ask it again after ten seconds.
const TEMPLATE: &str = "upstream web {
{{- range getvs \"/services/web/*\"}}
    server {{.}} max_fails=0;
{{- end}}
}
server {
    listen @ADDRESS@;
    location / {
        proxy_pass http://web;
        add_header X-Server $upstream_addr always;
    }
}
";

impl Balancer {
    fn start(proxy: impl FnOnce(&Confdir) -> Running) -> Self {
        let address = own_address();
        let confdir = Confdir::new();
        let out = confdir.path("out").display().to_string();
        confdir.write("out/nginx.conf", MAIN);
        let nginx = || {
            let mut nginx = tool("nginx");
            nginx.args(["-p", &out, "-c", "nginx.conf", "-e", "error.log"]);
            nginx
        };
        let program = nginx().get_program().to_str().unwrap().to_owned();
        let reload = format!("{program} -p {out} -c nginx.conf -e error.log -s reload");
        let fields = format!("keys = [\"/services/web\"]\nreload_cmd = \"{reload} || true\"");
        confdir.add(
            "app.conf",
            &fields,
            &TEMPLATE.replace("@ADDRESS@", &address.to_string()),
        );
        let proxy = proxy(&confdir);
        eventually("a first file", 2 * SOON, || {
            confdir.read("app.conf").ok_or_else(|| proxy.log())
        });
        let nginx = Owned(nginx().stdin(Stdio::null()).spawn().unwrap());
        let balancer = Self {
            address,
            confdir,
            nginx,
            _proxy: proxy,
        };
        eventually("nginx answers", SOON, || ask(address));
        balancer
    }

    fn log(&self) -> String {
        fs::read_to_string(self.confdir.path("out").join("used.log")).unwrap()
    }
}
