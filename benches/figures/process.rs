//! What a process uses, as the kernel tells it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// CPU time of its threads that live, to the nanosecond.
pub fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Resident memory, in MB.
pub fn rss(pid: u32) -> f64 {
    field(pid, "status", "VmRSS:")
}

/// Resident memory at its highest so far, or since [`forget_peak`], in MB.
pub fn peak(pid: u32) -> f64 {
    field(pid, "status", "VmHWM:")
}

pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// Resident memory with shared pages shared out, in MB.
pub fn pss(pid: u32) -> f64 {
    field(pid, "smaps_rollup", "Pss:")
}

/// Zero for one that has just ended.
fn field(pid: u32, file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1.024 / 1000.0
}

/// Per cent of a core, over so long from now.
pub fn share(pid: u32, time: Duration) -> f64 {
    let (used, begun) = (cpu(pid), Instant::now());
    sleep(time);
    percent(cpu(pid) - used, begun.elapsed())
}

pub fn percent(used: Duration, of: Duration) -> f64 {
    100.0 * used.as_secs_f64() / of.as_secs_f64()
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// CPU time of the process and of its children that have ended.
pub fn cpu_with_children(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = text.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(4);
    // A tick is 10 ms on every Linux that we run on.
    let millis = ticks.map(|ticks| 10 * ticks.parse::<u64>().unwrap());
    Duration::from_millis(millis.sum())
}

/// A process and what it starts, ended together.
pub struct Group(Child);

impl Group {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().unwrap())
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Of all processes in these groups.
pub fn pss_of_groups(leaders: &[u32]) -> f64 {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let group = stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()?;
        leaders.contains(&group).then_some(pid)
    });
    processes.map(pss).sum()
}
