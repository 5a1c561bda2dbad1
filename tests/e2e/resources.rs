use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::register::probe::attempt::Failure;
use ::register::probe::{Probe, Spec};
use ::register::world::Backend;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::harness::rights::{is_root, own_mounts, skip, wrapped};
use crate::harness::running::{outcome, register, render};
use crate::harness::{Confdir, Etcd, Mood, Nginx, Running, SOON, Site, eventually, own_address};

const SERVERS: &str = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
const KEYS: &str = "keys = [\"/services/web\"]";

/// Nobody else's processes count for root, nor root's for anybody.
const NOBODY: [&str; 5] = [
    "setpriv",
    "--reuid=65534",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--",
];

/// The same command, as somebody who may have no more processes than his limit says.
fn limitable(command: &Command) -> Command {
    wrapped(if is_root() { &NOBODY } else { &["env"] }, command)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
}

/// Sets the soft limit of a running process: `nofile` or `nproc`.
fn limit(process: &Running, resource: &str, most: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--pid={}", process.id()));
    prlimit.arg(format!("--{resource}={most}:"));
    let as_nobody = is_root() && resource == "nproc";
    let mut command = if as_nobody {
        limitable(&prlimit)
    } else {
        prlimit
    };
    run(&mut command);
}

/// Takes the limit away again, as far as that may be.
fn unlimit(process: &Running, resource: &str) {
    let name = match resource {
        "nofile" => "Max open files",
        _ => "Max processes",
    };
    let limits = process.proc("limits");
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let most = line.unwrap().split_whitespace().nth(1).unwrap();
    limit(process, resource, most);
}

/// How often its log has what the system says.
fn times(process: &Running, text: &str) -> usize {
    process.log().matches(text).count()
}

fn wait_for_reloads(confdir: &Confdir, count: usize) {
    eventually("reloads", SOON, || match confdir.count("reloads") {
        found if found == count => Ok(()),
        found => Err(found.to_string()),
    });
}

#[test]
fn an_agent_without_descriptors_says_so_once_and_recovers() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--log-level", "debug"]);
    etcd.wait_for(&backend.key(), SOON);
    limit(&agent, "nofile", "1");
    agent.wait_for_event("backend_down", SOON);
    // Whether the backend is well cannot be known: what cannot be vouched for is not advertised.
    etcd.wait_until_gone(&backend.key(), SOON);
    wait_for_more_probes(&agent, 5);
    unlimit(&agent, "nofile");
    etcd.wait_for(&backend.key(), SOON);
    assert_eq!(agent.said_with("backend_down", "Too many open files"), 1);
}

fn wait_for_more_probes(agent: &Running, count: usize) {
    wait_for_probes(agent, agent.said("probed") + count);
}

fn wait_for_probes(agent: &Running, enough: usize) {
    eventually("more probes", SOON * 3, || match agent.said("probed") {
        found if found >= enough => Ok(()),
        found => Err(found.to_string()),
    });
}

#[test]
fn a_short_lack_of_descriptors_is_not_held_against_the_backend() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::spawn(
        register()
            .args(["--service", "web", "--address", &backend.address()])
            .args(["--endpoints", &etcd.url(), "--log-level", "debug"])
            .args(["--interval", "2s", "--fast-interval", "100ms"]),
    );
    let lease = etcd.wait_for(&backend.key(), SOON).lease;
    limit(&agent, "nofile", "1");
    agent.wait_for_event_with("host_cannot_probe", "Too many open files", SOON);
    wait_for_more_probes(&agent, 10);
    unlimit(&agent, "nofile");
    agent.wait_for_event("host_can_probe", SOON);
    let said = agent.order_of(&["backend_down", "host_cannot_probe", "host_can_probe"]);
    assert_eq!(said, ["host_cannot_probe", "host_can_probe"]);
    assert_eq!(etcd.get(&backend.key()).unwrap().lease, lease);
}

#[test]
fn a_single_turn_leaves_the_key_as_it_is_where_this_host_cannot_probe() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    etcd.ctl(&["put", &backend.key(), &backend.address()]);
    for count in 4..24 {
        let mut command = register();
        command.args([
            "--once",
            "--service",
            "web",
            "--address",
            &backend.address(),
        ]);
        command.args(["--endpoints", &etcd.url(), "--check", "exec:true"]);
        let (code, said, complaint) = outcome(&mut with_descriptors(count, &command));
        assert!([0, 1, 3].contains(&code), "{count}: {code}: {complaint}");
        assert!(etcd.get(&backend.key()).is_some(), "{count}: {said}");
    }
}

/// `command` with so many descriptors at most.
fn with_descriptors(count: u32, command: &Command) -> Command {
    let script = format!("ulimit -n {count} && exec \"$@\"");
    wrapped(&["sh", "-c", &script, "sh"], command)
}

#[test]
fn too_few_descriptors_to_start_with_are_an_error_and_no_crash() {
    let confdir = Confdir::new();
    let once = || {
        let mut command = register();
        command.args(["--once", "--service", "web", "--address", "127.0.0.1:1"]);
        command
    };
    let check = || {
        let mut command = register();
        command.args(["check", "--address", "127.0.0.1:1"]);
        command
    };
    let render = || render("http://127.0.0.1:1", &confdir);
    // With three the loader finds no libraries.
    for count in 4..14 {
        for command in [once(), check(), render()] {
            let mut command = with_descriptors(count, &command);
            let mut ended = Running::spawn(&mut command);
            let code = match eventually("it ends or goes on", SOON, || {
                let goes_on = ended.said("no_resources") > 0;
                match ended.try_wait() {
                    Some(code) => Ok(Some(code)),
                    None if goes_on => Ok(None),
                    None => Err(ended.log()),
                }
            }) {
                Some(code) => code,
                None => continue,
            };
            assert!([1, 3].contains(&code), "{count}: {code}: {}", ended.log());
            assert!(!ended.log().contains("panicked"), "{}", ended.log());
        }
    }
}

#[test]
fn an_agent_whose_etcd_comes_back_while_it_has_no_descriptors_recovers() {
    let (mut etcd, backend) = (Etcd::start(), Nginx::start());
    let agent = Running::agent(&etcd, &backend, &["--check", "none", "--ttl", "5s"]);
    etcd.wait_for(&backend.key(), SOON);
    limit(&agent, "nofile", "1");
    etcd.kill();
    agent.wait_for_event("etcd_lost", SOON);
    etcd.restart();
    etcd.wait_until_gone(&backend.key(), SOON * 3);
    assert_eq!(agent.said("etcd_lost"), 1);
    unlimit(&agent, "nofile");
    etcd.wait_for(&backend.key(), SOON);
}

#[test]
fn a_check_that_cannot_be_forked_fails_is_said_once_and_recovers() {
    let (etcd, backend) = (Etcd::start(), Nginx::start());
    let mut command = register();
    command
        .args(["--service", "web", "--address", &backend.address()])
        .args(["--endpoints", &etcd.url(), "--check", "exec:true"])
        .args(["--interval", "100ms", "--fast-interval", "100ms"])
        .args(["--log-level", "debug"]);
    let agent = Running::spawn(&mut limitable(&command));
    etcd.wait_for(&backend.key(), SOON);
    limit(&agent, "nproc", "1");
    etcd.wait_until_gone(&backend.key(), SOON);
    wait_for_more_probes(&agent, 5);
    unlimit(&agent, "nproc");
    etcd.wait_for(&backend.key(), SOON);
    let reason = "Resource temporarily unavailable";
    let said = agent.said_with("backend_down", reason);
    assert_eq!(said, 1, "{}", agent.log());
}

#[test]
fn a_proxy_without_descriptors_keeps_its_file_and_catches_up() {
    let etcd = Etcd::start();
    let confdir = Confdir::new();
    let fields = format!("{KEYS}\nreload_cmd = \"{}\"", confdir.note("reloads"));
    confdir.add("app.conf", &fields, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let mut proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    wait_for_reloads(&confdir, 1);
    limit(&proxy, "nofile", "1");
    etcd.ctl(&["put", "/services/web/a", "2"]);
    proxy.wait_for_event_with("resource_failed", "Too many open files", SOON);
    assert_eq!(confdir.read("app.conf").unwrap(), "server 1;\n");
    etcd.ctl(&["put", "/services/web/a", "3"]);
    unlimit(&proxy, "nofile");
    confdir.wait_for("app.conf", "server 3;\n", SOON);
    wait_for_reloads(&confdir, 2);
    proxy.wait_for_event("resource_recovered", SOON);
    assert_eq!(times(&proxy, "Too many open files"), 1, "{}", proxy.log());
    // It can still end a pass, too.
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_for_exit(SOON), 0);
}

#[test]
fn a_proxy_that_may_start_nothing_keeps_its_file_and_catches_up() {
    let mut etcd = Etcd::start();
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let confdir = Confdir::new();
    let check = format!("test -s {}", confdir.path("out/app.conf").display());
    confdir.add(
        "app.conf",
        &format!("{KEYS}\ncheck_cmd = \"{check}\""),
        SERVERS,
    );
    confdir.write("out/app.conf", "server 0;\n");
    // Limited before it had a pass, and with it a thread.
    etcd.kill();
    let proxy = Running::spawn(&mut limitable(&render(&etcd.url(), &confdir)));
    proxy.wait_for_event("etcd_lost", SOON);
    limit(&proxy, "nproc", "1");
    etcd.restart();
    let reason = "/bin/sh: Resource temporarily unavailable";
    proxy.wait_for_event_with("resource_failed", reason, SOON);
    assert_eq!(confdir.read("app.conf").unwrap(), "server 0;\n");
    unlimit(&proxy, "nproc");
    confdir.wait_for("app.conf", "server 1;\n", SOON);
    proxy.wait_for_event("resource_recovered", SOON);
    assert_eq!(times(&proxy, reason), 1, "{}", proxy.log());
}

/// A proxy in a name space of its own, with `mount` done in its confdir. None where the system does
/// not let us mount.
fn mounted(etcd: &Etcd, confdir: &Confdir, mount: &str) -> Option<Running> {
    let script = format!("cd {} && {mount} && exec \"$@\"", confdir.flag());
    let wrapper = [own_mounts()?, &["sh", "-c", &script, "sh"]].concat();
    let command = render(&etcd.url(), confdir);
    Some(Running::spawn(&mut wrapped(&wrapper, &command)))
}

/// A file as that process sees it.
fn seen_by(process: &Running, confdir: &Confdir, name: &str) -> PathBuf {
    let inside = confdir.dest(name);
    let inside = inside.strip_prefix("/").unwrap().to_owned();
    PathBuf::from(format!("/proc/{}/root", process.id())).join(inside)
}

fn wait_to_see(process: &Running, confdir: &Confdir, name: &str, text: &str) {
    let path = seen_by(process, confdir, name);
    eventually(
        &format!("{name} is {text:?}"),
        SOON,
        || match fs::read_to_string(&path) {
            Ok(found) if found == text => Ok(()),
            other => Err(format!("{other:?}; {}", process.log())),
        },
    );
}

#[test]
fn a_full_disk_keeps_the_file_is_said_once_and_recovers() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let mount = "mount -t tmpfs -o size=64k tmpfs out";
    let Some(proxy) = mounted(&etcd, &confdir, mount) else {
        return;
    };
    wait_to_see(&proxy, &confdir, "app.conf", "server 1;\n");
    let filler = seen_by(&proxy, &confdir, "filler");
    let _no_room = fs::write(&filler, vec![0; 1 << 20]);
    etcd.ctl(&["put", "/services/web/a", "2"]);
    proxy.wait_for_event_with("resource_failed", "No space left on device", SOON);
    wait_to_see(&proxy, &confdir, "app.conf", "server 1;\n");
    fs::remove_file(&filler).unwrap();
    wait_to_see(&proxy, &confdir, "app.conf", "server 2;\n");
    proxy.wait_for_event("resource_recovered", SOON);
    assert_eq!(times(&proxy, "No space left"), 1, "{}", proxy.log());
}

#[test]
fn a_disk_that_becomes_read_only_keeps_the_file_is_said_once_and_recovers() {
    let etcd = Etcd::start();
    let confdir = Confdir::new().with("app.conf", KEYS, SERVERS);
    etcd.ctl(&["put", "/services/web/a", "1"]);
    let Some(proxy) = mounted(&etcd, &confdir, "mount -t tmpfs tmpfs out") else {
        return;
    };
    wait_to_see(&proxy, &confdir, "app.conf", "server 1;\n");
    remount(&proxy, &confdir, "ro");
    etcd.ctl(&["put", "/services/web/a", "2"]);
    proxy.wait_for_event_with("resource_failed", "Read-only file system", SOON);
    wait_to_see(&proxy, &confdir, "app.conf", "server 1;\n");
    remount(&proxy, &confdir, "rw");
    wait_to_see(&proxy, &confdir, "app.conf", "server 2;\n");
    proxy.wait_for_event("resource_recovered", SOON);
    assert_eq!(times(&proxy, "Read-only"), 1, "{}", proxy.log());
}

fn remount(process: &Running, confdir: &Confdir, how: &str) {
    let mut command = Command::new("nsenter");
    command.args(["--target", &process.id().to_string(), "--mount"]);
    if !is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    // With all that a mount has, lest it be told again the ids that it has outside.
    run(command
        .args(["mount", "-t", "tmpfs", "-o", &format!("remount,{how}")])
        .arg("tmpfs")
        .arg(confdir.path("out")));
}

/// One agent has one backend, so that ten thousand hanging ones are ten thousand agents, of which
/// none knows of another. What they share is seen with a hundred; here are the probes of them all.
#[tokio::test]
async fn ten_thousand_probes_of_backends_that_hang_time_out_and_recover() {
    const BACKENDS: usize = 10_000;
    if !may_open(BACKENDS + 2_000) {
        skip("the limit of open files is below 12,000");
        return;
    }
    // They take connections, and nobody reads from them: four, for the length of their queues.
    let listeners: Vec<_> = (0..4).map(|_| hanging()).collect();
    let probes = |timeout| {
        let addresses = listeners.iter().map(|listener| listener.local_addr());
        let probes = addresses.cycle().take(BACKENDS).map(move |address| {
            Probe::new(Spec {
                url: format!("http://{}/", address.unwrap()),
                timeout,
                ..Spec::default()
            })
            .unwrap()
        });
        let mut attempts = JoinSet::new();
        for probe in probes {
            attempts.spawn(async move { probe.attempt().await.result });
        }
        attempts.join_all()
    };
    let before = own_descriptors();
    let results = probes(Duration::from_secs(2)).await;
    let late = |result: &Result<String, Failure>| matches!(result, Err(Failure::Timeout(_)));
    assert_eq!(
        results.iter().filter(|result| late(result)).count(),
        BACKENDS
    );
    assert!(own_descriptors() < before + 500, "descriptors are left");

    let well = probes(6 * SOON);
    let over = Arc::new(AtomicBool::new(false));
    let servers: Vec<_> = listeners
        .iter()
        .map(|listener| (listener.try_clone().unwrap(), Arc::clone(&over)))
        .map(|(listener, over)| std::thread::spawn(move || answer_all(&listener, &over)))
        .collect();
    let results = well.await;
    assert_eq!(
        results.iter().filter(|result| result.is_ok()).count(),
        BACKENDS
    );
    over.store(true, Ordering::Relaxed);
    for (listener, server) in listeners.iter().zip(servers) {
        // The last one, to wake it up.
        drop(TcpStream::connect(listener.local_addr().unwrap()));
        server.join().unwrap();
    }
}

/// So many files, and as many again for others in this process; raises the limit if that may be.
fn may_open(count: usize) -> bool {
    let limits = getrlimit(Resource::Nofile);
    let wanted = Some(u64::try_from(count).unwrap());
    let enough = |limit: Option<u64>| limit.is_none() || limit >= wanted;
    enough(limits.current)
        || enough(limits.maximum)
            && setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: limits.maximum,
                    maximum: limits.maximum,
                },
            )
            .is_ok()
}

fn own_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn hanging() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(own_address().into()).unwrap();
    let listener = socket.listen(4_096).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    listener
}

/// Those that have gone meanwhile, too.
fn answer_all(listener: &TcpListener, over: &AtomicBool) {
    for mut stream in listener.incoming().map_while(Result::ok) {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let _ = stream.read(&mut [0; 1_024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
}

#[test]
fn agents_of_backends_that_hang_hold_one_connection_each_and_recover() {
    const AGENTS: usize = 100;
    let (etcd, site) = (Etcd::start(), Site::start(Mood::Hung));
    let agents: Vec<_> = (0..AGENTS)
        .map(|n| {
            Running::spawn(
                register()
                    .args(["--service", "web", "--endpoints", &etcd.url()])
                    .args(["--address", &format!("10.0.0.{n}:80")])
                    .args(["--check", &format!("http://{}/", site.address())])
                    .args(["--timeout", "500ms", "--interval", "1s"])
                    .args(["--fast-interval", "500ms", "--log-level", "debug"]),
            )
        })
        .collect();
    for agent in &agents {
        agent.wait_for_event_with("backend_down", "500ms", SOON);
    }
    let before: Vec<_> = agents.iter().map(descriptors).collect();
    for agent in &agents {
        wait_for_probes(agent, 6);
    }
    for (agent, before) in agents.iter().zip(before) {
        let now = descriptors(agent);
        // A probe or a new connection to etcd may have been under way the one time, and not the
        // other.
        assert!(now <= before + 2, "{now} descriptors, {before} before");
        assert_eq!(agent.said("backend_down"), 1, "{}", agent.log());
    }
    site.turn(Mood::Ill);
    for agent in &agents {
        agent.wait_for_event_with("probed", " 503", SOON);
    }
    site.turn(Mood::Well);
    eventually("all are registered", SOON * 3, || {
        let keys = etcd.ctl(&["get", "--prefix", "--keys-only", "/services/web/"]);
        match keys.split_whitespace().count() {
            AGENTS => Ok(()),
            count => Err(count.to_string()),
        }
    });
}

fn descriptors(process: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.id()))
        .unwrap()
        .count()
}
