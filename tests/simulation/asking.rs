//! Services that are taken out and put back in from outside, while their agent runs.

use std::collections::VecDeque;

use register::observe::ask::{self, Ask, Asks, DrainAnswer, DrainAsk};
use register::observe::report::Report;
use tokio::sync::{mpsc, oneshot};

use crate::keys;
use crate::model::Model;

#[derive(Default)]
pub struct Asking {
    /// Of the process that runs.
    asks: Option<mpsc::Sender<Ask>>,
    /// A service's key, and whether it is to be out. The loop is told when it turns next.
    to_say: VecDeque<(usize, bool)>,
    waiting: Vec<(usize, oneshot::Receiver<DrainAnswer>)>,
    report: Option<oneshot::Receiver<Report>>,
}

impl Asking {
    /// For a process that begins.
    pub fn begin(&mut self) -> Asks {
        let (sender, asks) = ask::channel();
        *self = Self {
            asks: Some(sender),
            ..Self::default()
        };
        asks
    }

    pub fn say(&mut self, key: usize, drained: bool) {
        self.to_say.push_back((key, drained));
    }

    /// Which services somebody waits for who was told that they are out.
    fn told_out(&mut self) -> Vec<usize> {
        let mut out = Vec::new();
        self.waiting
            .retain_mut(|(key, answer)| match answer.try_recv() {
                Ok(DrainAnswer::Done(_)) => {
                    out.push(*key);
                    false
                }
                Ok(_) | Err(oneshot::error::TryRecvError::Closed) => false,
                Err(oneshot::error::TryRecvError::Empty) => true,
            });
        out
    }
}

impl Model {
    /// The client's process is about to turn: it is asked the next.
    pub fn ask_next(&mut self, client: usize) {
        let host = &mut self.hosts[client];
        let Some((key, drained)) = host.asking.to_say.pop_front() else {
            return;
        };
        let Some(by) = host.process().filter(|_| host.stopping.is_none()) else {
            return;
        };
        let (answer, waiting) = oneshot::channel();
        let ask = Ask::Drain(DrainAsk {
            service: keys::text(key).to_owned(),
            drained,
            uid: 0,
            answer,
        });
        let sent = host.asking.asks.as_ref().map(|asks| asks.try_send(ask));
        if !matches!(sent, Some(Ok(()))) {
            return;
        }
        if drained {
            host.asking.waiting.push((key, waiting));
        }
        let more = !host.asking.to_say.is_empty();
        self.events += 1;
        self.trace(|| format!("{client} is asked for key {key} to be out: {drained}"));
        let now = self.now;
        self.processes[by].tenures[key].say(drained, now);
        if more {
            self.wake(client);
        }
    }

    /// Who is told that a service is out finds nothing of it in etcd.
    pub fn check_told_out(&mut self, client: usize) {
        let out = self.hosts[client].asking.told_out();
        let Some(by) = self.hosts[client].process() else {
            return;
        };
        for key in out {
            let holder = self.etcd.keys[key].and_then(|kv| self.owner(kv.lease));
            let tenure = &self.processes[by].tenures[key];
            if holder == Some(by) && !tenure.overtaken && tenure.is_drained() {
                self.fail(|| format!("client {client} says that key {key} is gone"));
            }
        }
    }

    /// Nobody waits in the end for what was carried out long before.
    pub fn check_nobody_waits(&mut self, client: usize) {
        let waiting = self.hosts[client].asking.waiting.first();
        if let Some(key) = waiting.map(|(key, _)| *key) {
            self.fail(|| format!("client {client} does not say that key {key} is gone"));
        }
    }
}

impl Asking {
    /// Asks what the process knows, which it says when it turns next.
    pub fn look(&mut self) {
        let (answer, report) = oneshot::channel();
        let sent = self
            .asks
            .as_ref()
            .map(|asks| asks.try_send(Ask::Report(answer)));
        self.report = matches!(sent, Some(Ok(()))).then_some(report);
    }

    /// What it said.
    pub fn report(&mut self) -> Option<Report> {
        self.report.take()?.try_recv().ok()
    }
}
