//! What `register` stands in for: the tutorial's loop, and confd where a binary is given.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Confdir, Running, tool};

/// The peers' own programs, from the system or from where `make deps` unpacks them.
fn program(name: &str) -> String {
    tool(name).get_program().to_str().unwrap().to_owned()
}

/// The body of the tutorial's `apache-discovery@.service`, with `etcdctl` of etcd's v2 API.
pub fn loop_body(backend: &str, etcd: &str, sleep: &str) -> String {
    let etcdctl = format!("{} --endpoints {etcd}", program("etcdctl"));
    let key = format!("/services/apache/{backend}");
    format!(
        "curl -s -f {backend} >/dev/null; \
         if [ $? -eq 0 ]; then {etcdctl} set {key} '{backend}' --ttl 30 >/dev/null; \
         else {etcdctl} rm {key} >/dev/null; fi; sleep {sleep}; "
    )
}

/// The same with etcd's v3 API, where a TTL takes a lease of its own.
pub fn loop_body_v3(backend: &str, key: &str, etcd: &str, sleep: &str) -> String {
    let etcdctl = format!("{} --endpoints {etcd}", program("etcdctl"));
    format!(
        "curl -s -f {backend} >/dev/null; \
         if [ $? -eq 0 ]; then \
         lease=$({etcdctl} lease grant 30 | cut -d' ' -f2); \
         {etcdctl} put --lease=$lease {key} '{backend}' >/dev/null; \
         else {etcdctl} del {key} >/dev/null; fi; sleep {sleep}; "
    )
}

/// CPU time of one turn of `body`, bash's own and its children's, over so many turns.
pub fn cpu_per_turn(body: &str, turns: u32) -> Duration {
    let script = format!("for turn in $(seq {turns}); do {body} done; times");
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("ETCDCTL_API", "2")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times = text.split_whitespace().map(|time| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
        let (minutes, seconds): (f64, f64) = (minutes.parse().unwrap(), seconds.parse().unwrap());
        Duration::from_secs_f64(minutes * 60.0 + seconds)
    });
    times.sum::<Duration>() / turns
}

/// A binary of confd's, named by the variable `CONFD`.
pub fn confd() -> Option<OsString> {
    std::env::var_os("CONFD").filter(|path| !path.is_empty())
}

/// confd, watching or polling as `flags` say.
pub fn run_confd(path: &OsString, url: &str, confdir: &Confdir, flags: &[&str]) -> Running {
    let mut command = Command::new(path);
    command
        .args(["-backend", "etcdv3", "-node", url, "-confdir"])
        .arg(confdir.flag())
        .args(["-log-level", "error"])
        .args(flags);
    Running::spawn(&mut command)
}
