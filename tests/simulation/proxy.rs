//! The proxy side: the loop of `src/proxy.rs` around the product's `Schedule` and its patching of
//! the snapshot.

use register::proxy::changes;
use register::proxy::debounce::Settings as Debounce;
use register::proxy::schedule::Schedule;
use renderer::Str;
use renderer::snapshot::Snapshot;

use crate::clock::{NEVER, Time, ms};
use crate::disk::{self, Disk, Kinds, Pass, RESOURCES};
use crate::follower::{Follower, Update, key_of};
use crate::network::Line;
use crate::world::Shared;

/// As by default.
const DEBOUNCE: Debounce = Debounce {
    quiet: ms(50),
    max: ms(500),
};

/// What one action on the files takes.
const ACTION: Time = 2;

pub struct Proxy {
    pub disk: Disk,
    kinds: Kinds,
    seed: u64,
    starts: u64,
    pub running: Option<Running>,
}

pub struct Running {
    pub follower: Follower,
    schedule: Schedule,
    /// None while a pass has it.
    snapshot: Option<Snapshot>,
    read: bool,
    pass: Option<(Pass, Time)>,
    /// SIGHUP came during the pass.
    reload: bool,
    stopping: bool,
}

impl Proxy {
    pub fn new(kinds: Kinds, seed: u64) -> Self {
        Self {
            disk: Disk::new(kinds),
            kinds,
            seed,
            starts: 0,
            running: None,
        }
    }

    pub fn start(&mut self, shared: &Shared) {
        if self.running.is_some() {
            return;
        }
        self.starts += 1;
        for resource in 0..RESOURCES {
            self.disk.put_back(resource);
        }
        let seed = self.seed.wrapping_add(self.starts * 7_907);
        self.running = Some(Running {
            follower: Follower::new(seed, Line::default(), shared),
            schedule: schedule(self.kinds, seed),
            snapshot: Some(Snapshot::default()),
            read: false,
            pass: None,
            reload: false,
            stopping: false,
        });
    }

    /// A pass is under way.
    pub fn is_at_work(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| running.pass.is_some())
    }

    pub fn kill(&mut self) {
        self.running = None;
    }

    /// SIGTERM: ends now, or with the pass.
    pub fn stop(&mut self) {
        if let Some(running) = &mut self.running {
            running.stopping = true;
            if running.pass.is_none() {
                self.running = None;
            }
        }
    }

    /// SIGHUP. `other_keys`: `conf.d` names other keys, so that all is read afresh.
    pub fn reload(&mut self, other_keys: bool, shared: &Shared) {
        let Some(running) = &mut self.running else {
            return;
        };
        if running.pass.is_some() {
            running.reload = true;
            return;
        }
        if other_keys {
            self.starts += 1;
            let seed = self.seed.wrapping_add(self.starts * 7_907);
            running.follower = Follower::new(seed, Line::default(), shared);
            running.read = false;
            running.schedule = schedule(self.kinds, seed);
        }
        running.schedule.all_changed(shared.clock.at(shared.now));
    }

    pub fn next(&self, shared: &Shared) -> Time {
        let Some(running) = &self.running else {
            return NEVER;
        };
        let follower = running.follower.next(shared);
        let own = match &running.pass {
            Some((_, at)) => *at,
            None if running.read => shared.clock.time_of_some(running.schedule.deadline()),
            None => NEVER,
        };
        follower.min(own)
    }

    pub fn step(&mut self, shared: &mut Shared) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.follower.step(shared);
        loop {
            if let Some((pass, at)) = &mut running.pass {
                if *at > shared.now {
                    return;
                }
                match pass.step(&mut self.disk, running.stopping, shared) {
                    Err(disk::Killed) => return self.running = None,
                    Ok(false) => *at += ACTION,
                    Ok(true) if running.stopping => return self.running = None,
                    Ok(true) => running.take_back(shared),
                }
            } else if running.start_due(&self.disk, shared) {
            } else if let Some(update) = running.follower.updates.pop_front() {
                running.take_in(update, shared);
            } else {
                return;
            }
        }
    }
}

impl Running {
    fn start_due(&mut self, disk: &Disk, shared: &Shared) -> bool {
        if !self.read {
            return false;
        }
        let due = self.schedule.due(shared.clock.at(shared.now));
        let Some(snapshot) = self.snapshot.take_if(|_| !due.is_empty()) else {
            return false;
        };
        self.pass = Some((Pass::start(due, snapshot, disk), shared.now + ACTION));
        true
    }

    fn take_back(&mut self, shared: &Shared) {
        let Some((pass, _)) = self.pass.take() else {
            return;
        };
        let now = shared.clock.at(shared.now);
        self.snapshot = Some(pass.snapshot);
        for (resource, failed) in pass.failed {
            self.schedule.done(resource, failed, now);
        }
        if std::mem::take(&mut self.reload) {
            self.schedule.all_changed(now);
        }
    }

    /// `Proxy::replace` and `Proxy::patch`.
    fn take_in(&mut self, update: Update, shared: &Shared) {
        let now = shared.clock.at(shared.now);
        let Some(snapshot) = &mut self.snapshot else {
            return;
        };
        let changed: Vec<Str> = match update {
            Update::Read(new) if !std::mem::replace(&mut self.read, true) => {
                *snapshot = new;
                return self.schedule.all_changed(now);
            }
            Update::Read(new) => changes::replace(snapshot, new),
            Update::Changed(changes) => changes::patch(snapshot, changes),
        };
        for key in changed.iter().filter_map(|name| key_of(name)) {
            self.schedule.changed(disk::resource_of(key), now);
        }
    }
}

fn schedule(kinds: Kinds, seed: u64) -> Schedule {
    let groups = if kinds.shared { [0, 0] } else { [0, 1] };
    Schedule::new(&groups, DEBOUNCE, seed)
}
