//! What a process knows, at one moment. Nothing in it is a secret: no file's contents, no header, no
//! command's words or output, no value of a key or of a variable.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use crate::health::Verdict;
use crate::registration::{LeaseId, Status};

#[derive(Clone, Debug)]
pub struct Report {
    /// When it was made.
    pub at: Instant,
    /// When the process began.
    pub began_at: Instant,
    /// Something has become of everything for the first time.
    pub is_ready: bool,
    pub is_stopping: bool,
    pub etcd: EtcdReport,
    pub side: Side,
}

#[derive(Clone, Debug)]
pub enum Side {
    Agent(AgentReport),
    Proxy(ProxyReport),
}

/// What was with etcd so far.
#[derive(Clone, Debug, Default)]
pub struct EtcdReport {
    /// That serves us; none while there is no connection.
    pub endpoint: Option<String>,
    /// When it last answered anything.
    pub answered_at: Option<Instant>,
    /// How many connections were made.
    pub connections: u64,
    /// How many broke, or could not be made.
    pub failures: u64,
    /// Etcd is away.
    pub outage: Option<OutageReport>,
    /// How long it was away, all times before this one together.
    pub away: Duration,
    /// By what was asked: one of a few names.
    pub calls: BTreeMap<&'static str, CallReport>,
}

#[derive(Clone, Debug)]
pub struct OutageReport {
    pub since: Instant,
    /// The last.
    pub reason: String,
}

/// How calls of one kind ended, and how long they took.
#[derive(Clone, Debug, Default)]
pub struct CallReport {
    pub succeeded: u64,
    /// Etcd said no.
    pub refused: u64,
    /// There was no answer.
    pub failed: u64,
    pub took: Histogram,
}

#[derive(Clone, Debug, Default)]
pub struct AgentReport {
    pub services: Vec<ServiceReport>,
    /// Services that are not among those, as their interfaces have no address.
    pub without_address: usize,
    /// All probes.
    pub probes: Histogram,
}

#[derive(Clone, Debug)]
pub struct ServiceReport {
    pub name: String,
    pub key: String,
    pub status: Status,
    pub status_since: Instant,
    /// None before the first.
    pub verdict: Option<Verdict>,
    pub verdict_since: Option<Instant>,
    /// None before the first probe.
    pub probe: Option<ProbeReport>,
    pub passed: u64,
    pub failed: u64,
    pub is_drained: bool,
    /// Under which its key is, if it is.
    pub lease: Option<LeaseReport>,
    pub ttl: Duration,
    /// How often its key was put.
    pub announced: u64,
    /// How often another registration took its place.
    pub displaced: u64,
}

/// The last one.
#[derive(Clone, Debug)]
pub struct ProbeReport {
    pub ended_at: Instant,
    pub took: Duration,
    pub passed: bool,
    /// In a few words.
    pub reason: String,
}

#[derive(Clone, Copy, Debug)]
pub struct LeaseReport {
    pub id: LeaseId,
    /// When it is gone unless it is renewed.
    pub expires_at: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct ProxyReport {
    pub resources: Vec<ResourceReport>,
    /// Files in `conf.d` that are left out for their faults.
    pub rejected: usize,
    /// How many keys are known.
    pub keys: usize,
    /// Of the last change that was taken in; 0 before anything was read.
    pub revision: i64,
    pub changed_at: Option<Instant>,
}

#[derive(Clone, Debug)]
pub struct ResourceReport {
    /// The file's name in `conf.d`.
    pub name: String,
    pub dest: String,
    pub state: ResourceState,
    pub state_since: Instant,
    /// Something changed that it was not brought in step with yet.
    pub is_pending: bool,
    /// Its file was replaced, and its reload has not succeeded yet.
    pub owes_reload: bool,
    pub render: StageReport,
    pub check: StageReport,
    pub reload: StageReport,
    pub file: Option<FileReport>,
    /// Keys that `validate` left out of the last render.
    pub keys_dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceState {
    /// Nothing has become of it yet.
    Waiting,
    InStep,
    /// It may not read what it reads.
    Denied,
    RenderFailed,
    CheckFailed,
    ReloadFailed,
    /// The file cannot be written.
    FileFailed,
}

/// What was done of one kind.
#[derive(Clone, Debug, Default)]
pub struct StageReport {
    pub succeeded: u64,
    pub failed: u64,
    pub took: Histogram,
    pub last: Option<LastReport>,
}

#[derive(Clone, Copy, Debug)]
pub struct LastReport {
    pub ended_at: Instant,
    pub took: Duration,
    pub succeeded: bool,
}

/// As it was last rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// In bytes.
    pub size: u64,
    /// MD5, in hexadecimal, as confd compares files.
    pub digest: String,
}

impl StageReport {
    pub fn note(&mut self, succeeded: bool, took: Duration, ended_at: Instant) {
        match succeeded {
            true => self.succeeded += 1,
            false => self.failed += 1,
        }
        self.took.observe(took);
        self.last = Some(LastReport {
            ended_at,
            took,
            succeeded,
        });
    }
}

impl ResourceState {
    /// In JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InStep => "in_step",
            Self::Denied => "denied",
            Self::RenderFailed => "render_failed",
            Self::CheckFailed => "check_failed",
            Self::ReloadFailed => "reload_failed",
            Self::FileFailed => "file_failed",
        }
    }
}
