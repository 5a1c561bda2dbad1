//! The files and the child, as the proxy side's loop sees them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use register::etcd::api::KeyRange;
use register::exit::{Exit, RunError};
use register::world::{Child, Files, Finished, Pass};
use renderer::Loading;
use renderer::resource::Resource;
use renderer::snapshot::Snapshot;
use rustix::process::Signal;
use tokio::time::{Instant, sleep_until};

use crate::clock::{Time, ms};
use crate::disk::{self, Killed, RESOURCES};
use crate::host::SimHost;
use crate::keys;
use crate::model::Model;
use crate::world::KILL_TIMEOUT;

/// From being told to end until the child has ended.
pub const CHILD_ENDS: Time = 100;
pub const USER: Signal = Signal::USR1;
pub const STOP: Signal = Signal::TERM;
pub const RELOAD: Signal = Signal::HUP;

pub struct SimPass {
    host: SimHost,
    pass: disk::Pass,
    next_at: Instant,
}

impl Files for SimHost {
    type Pass = SimPass;

    fn load(&self, _before: Option<&[Resource]>) -> Loading {
        let disk = &self.shared.borrow().disk;
        Loading {
            resources: (0..RESOURCES)
                .map(|number| resource(number, disk))
                .collect(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn recover(&self, _resources: &[Resource]) {
        let mut model = self.shared.borrow_mut();
        (0..RESOURCES).for_each(|resource| model.disk.put_back(resource));
    }

    fn hold_reloads(&mut self, hold: bool) {
        let mut model = self.shared.borrow_mut();
        if model.disk.at_work {
            model.fail(|| "what a pass does was changed under way".to_owned());
        }
        model.disk.hold = hold;
    }

    fn start(
        &mut self,
        resources: &Arc<Vec<Resource>>,
        due: Vec<usize>,
        snapshot: Snapshot,
    ) -> SimPass {
        let mut model = self.shared.borrow_mut();
        model.trace(|| format!("proxy: a pass over {due:?}"));
        let waits = model.disk.kinds().child && !model.disk.child_runs;
        if model.disk.hold != waits {
            model.fail(|| "reloads are held back just when they should not be".to_owned());
        }
        if std::mem::replace(&mut model.disk.at_work, true) {
            model.fail(|| "two passes at once".to_owned());
        }
        let trees = resources.iter().map(tree_of).collect();
        model.disk.begun = true;
        model.disk.due = std::array::from_fn(|resource| due.contains(&resource));
        let pass = disk::Pass::start(due, trees, snapshot, &model.disk);
        SimPass {
            host: self.clone(),
            pass,
            next_at: Instant::now() + ms(model.disk.pace),
        }
    }

    fn cancel(&self) {
        self.shared.borrow_mut().disk.cancelled = true;
    }
}

impl Pass for SimPass {
    async fn finished(&mut self) -> Result<Finished, RunError> {
        loop {
            sleep_until(self.next_at).await;
            if self.step() {
                let snapshot = std::mem::take(&mut self.pass.snapshot);
                return Ok(Finished {
                    snapshot,
                    due: self.pass.due.clone(),
                    outcomes: self.pass.outcomes(),
                });
            }
        }
    }
}

impl SimPass {
    /// Does one thing. Whether the pass is over.
    fn step(&mut self) -> bool {
        let mut model = self.host.shared.borrow_mut();
        self.next_at += ms(model.disk.pace);
        match self.pass.step(&mut model) {
            Ok(over) => {
                model.disk.at_work = !over;
                over
            }
            Err(Killed) => {
                model.hosts[self.host.client].killed = true;
                // Nothing more of it is polled.
                self.next_at += ms(1_000_000);
                false
            }
        }
    }
}

fn tree_of(resource: &Resource) -> usize {
    let key = resource.keys.first().expect("a resource reads something");
    keys::tree_of(&KeyRange::exactly(key)).expect("it reads a tree")
}

fn resource(number: usize, disk: &disk::Disk) -> Resource {
    let prefix = keys::prefix(disk.tree_of(number));
    // Other ranges, too.
    let keys = match disk.other_keys {
        false => vec![prefix.to_owned()],
        true => vec![format!("{prefix}/0"), format!("{prefix}/1")],
    };
    Resource {
        file: PathBuf::from(format!("{number}.toml")),
        src: PathBuf::new(),
        dest: PathBuf::from(format!("/{number}")),
        prefix: "/".to_owned(),
        keys,
        owner: None,
        group: None,
        uid: None,
        gid: None,
        mode: None,
        check_cmd: None,
        check_timeout: Duration::from_secs(1),
        check_swapped: false,
        reload_cmd: disk.kinds().shared.then(|| "reload".to_owned()),
        reload_timeout: Duration::from_secs(1),
        require: Vec::new(),
        validate: std::collections::BTreeMap::new(),
        delims: Default::default(),
    }
}

impl Child for SimHost {
    fn start(&mut self, _command: &[String]) -> io::Result<()> {
        let mut model = self.shared.borrow_mut();
        model.trace(|| "the child starts".to_owned());
        if model.disk.has_failures() {
            model.fail(|| "the child starts though a file is not good".to_owned());
        }
        model.disk.child_runs = true;
        model.disk.load();
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.shared.borrow().disk.child_runs
    }

    async fn ended(&mut self) -> Exit {
        std::future::poll_fn(|_| {
            let mut model = self.shared.borrow_mut();
            let now = model.now;
            match model.disk.child_ends_at {
                Some(at) if at <= now && model.disk.child_runs => {
                    model.trace(|| "the child ends".to_owned());
                    model.disk.child_is_gone();
                    Poll::Ready(Exit::Child(0))
                }
                Some(_) | None => Poll::Pending,
            }
        })
        .await
    }

    fn send(&self, signal: Signal) {
        let mut model = self.shared.borrow_mut();
        if !model.disk.child_runs {
            return;
        }
        model.trace(|| format!("the child is sent {signal:?}"));
        if signal == STOP && model.disk.child_told_at.is_some() {
            model.fail(|| "the child is told to stop twice".to_owned());
        }
        if signal == USER {
            model.disk.unpassed_since = None;
        } else if signal == RELOAD {
            model.disk.load();
        } else if signal == STOP {
            let now = model.now;
            model.disk.child_told_at.get_or_insert(now);
            if !model.disk.stubborn {
                model.child_ends(CHILD_ENDS);
            }
        }
    }

    fn kill(&self) {
        let mut model = self.shared.borrow_mut();
        let told_at = model.disk.child_told_at;
        let had_its_time = told_at.is_some_and(|at| model.now >= at + KILL_TIMEOUT);
        if model.disk.child_runs && !had_its_time && model.hosts[self.client].hurried.is_none() {
            model.fail(|| "the child is killed before its time".to_owned());
        }
        model.disk.unpassed_since = None;
        model.child_ends(1);
    }
}

impl Model {
    /// The child ends after a while.
    pub fn child_ends(&mut self, after: Time) {
        if self.disk.child_runs {
            let at = self.now + after;
            self.disk.child_ends_at.get_or_insert(at);
        }
    }
}
