//! The files and the child, as the proxy side's loop sees them.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use register::etcd::api::KeyRange;
use register::exit::{Exit, RunError};
use register::world::{Child, Files, Finished, Pass};
use renderer::Loading;
use renderer::resource::Resource;
use renderer::snapshot::Snapshot;
use renderer::transaction::Check;
use rustix::process::Signal;
use tokio::time::{Instant, sleep_until};

use crate::clock::{NEVER, Time, ms};
use crate::disk::{self, Killed, RESOURCES};
use crate::host::SimHost;
use crate::keys::{self, ALL, Trees};
use crate::model::Model;
use crate::world::KILL_TIMEOUT;

/// From being told to end until the child has ended.
pub const CHILD_ENDS: Time = 100;
pub const USER: Signal = Signal::USR1;
pub const STOP: Signal = Signal::TERM;
pub const RELOAD: Signal = Signal::HUP;

pub struct SimPass {
    host: SimHost,
    resources: Arc<Vec<Resource>>,
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
        if model.disk.at_work.contains(&true) {
            model.fail(|| "what a pass does was changed under way".to_owned());
        }
        model.disk.hold = hold;
    }

    fn are_judged(&self) -> bool {
        let disk = &self.shared.borrow().disk;
        (0..RESOURCES).any(|resource| disk.at_work[resource] && !disk.is_tidy(resource))
    }

    fn start(
        &mut self,
        resources: &Arc<Vec<Resource>>,
        due: Vec<usize>,
        snapshot: Arc<Snapshot>,
    ) -> SimPass {
        let mut model = self.shared.borrow_mut();
        model.trace(|| format!("proxy: a pass over {due:?}"));
        let waits = model.disk.kinds().child && !model.disk.child_runs;
        if model.disk.hold != waits {
            model.fail(|| "reloads are held back just when they should not be".to_owned());
        }
        for resource in &due {
            if std::mem::replace(&mut model.disk.at_work[*resource], true) {
                model.fail(|| format!("two passes at once over {resource}"));
            }
        }
        let trees: Vec<_> = resources.iter().map(trees_of).collect();
        for resource in &due {
            model.check_lent(&snapshot, trees[*resource]);
        }
        model.disk.begun = true;
        let pass = disk::Pass::start(due, trees, snapshot, &model.disk);
        SimPass {
            host: self.clone(),
            resources: Arc::clone(resources),
            pass,
            next_at: Instant::now() + ms(model.disk.pace),
        }
    }

    fn cancel(&self) {
        let mut model = self.shared.borrow_mut();
        let now = model.now;
        model.disk.cancelled_at.get_or_insert(now);
        model.disk.wake();
    }

    fn kill(&self) {
        let mut model = self.shared.borrow_mut();
        let cancelled_at = model.disk.cancelled_at.unwrap_or(NEVER);
        if model.now < cancelled_at.saturating_add(KILL_TIMEOUT) {
            model.fail(|| "reloads are killed before their time".to_owned());
        }
        model.disk.killed = true;
        model.disk.wake();
    }
}

impl Pass for SimPass {
    async fn finished(&mut self) -> Result<Finished, RunError> {
        loop {
            self.wait().await;
            if self.step() {
                return Ok(Finished {
                    resources: Arc::clone(&self.resources),
                    due: self.pass.due.clone(),
                    outcomes: self.pass.outcomes(),
                });
            }
        }
    }
}

impl SimPass {
    /// Until the next thing is to be done, or a command that hangs is ended.
    async fn wait(&mut self) {
        let mut time = pin!(sleep_until(self.next_at));
        poll_fn(|cx| {
            let mut model = self.host.shared.borrow_mut();
            if self.pass.hangs_until().is_some() {
                if self.pass.is_to_end(&model.disk) {
                    return Poll::Ready(());
                }
                model.disk.waiting.push(cx.waker().clone());
            }
            drop(model);
            time.as_mut().poll(cx)
        })
        .await;
    }

    /// Does one thing. Whether the pass is over.
    fn step(&mut self) -> bool {
        let mut model = self.host.shared.borrow_mut();
        self.next_at = Instant::now() + ms(model.disk.pace);
        match self.pass.step(&mut model) {
            Ok(over) => {
                if let Some(until) = self.pass.hangs_until() {
                    self.next_at = model.clock.at(until);
                }
                for resource in &self.pass.due {
                    model.disk.at_work[*resource] = !over;
                }
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

fn trees_of(resource: &Resource) -> Trees {
    let key = resource.keys.first().expect("a resource reads something");
    match key.as_str() {
        "/" => ALL,
        key => keys::trees_of(&KeyRange::exactly(key)),
    }
}

fn resource(number: usize, disk: &disk::Disk) -> Resource {
    let trees = disk.trees_of(number);
    let prefix = trees
        .iter()
        .position(|reads| *reads)
        .map_or("", keys::prefix);
    let keys = match disk.other_keys {
        _ if trees == ALL => vec!["/".to_owned()],
        false => vec![prefix.to_owned()],
        // Other ranges, too.
        true => vec![format!("{prefix}/0"), format!("{prefix}/1")],
    };
    Resource {
        file: PathBuf::from(format!("{number}.toml")),
        src: PathBuf::new(),
        templates: PathBuf::new(),
        dest: PathBuf::from(format!("/{number}")),
        prefix: "/".to_owned(),
        keys,
        owner: None,
        group: None,
        uid: None,
        gid: None,
        mode: None,
        check_cmd: match disk.kinds().checks[number] {
            Check::Never | Check::Staged => None,
            Check::Swapped(check) => Some(format!("check {check}")),
        },
        check_timeout: Duration::from_secs(1),
        check_swapped: true,
        reload_cmd: Some(format!("reload {}", disk.kinds().reloads[number])),
        reload_timeout: Duration::from_secs(1),
        min_reload_interval: disk.kinds().reload_interval.map(ms),
        debounce: None,
        output_format: None,
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
        poll_fn(|_| {
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
