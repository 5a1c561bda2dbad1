//! Since when nothing has kept a client from what it is to do: from then on it has a limited time for
//! it, whatever happens to the others and to all but one of etcd's members.

use crate::clock::{NEVER, Time};
use crate::disk::{RESOURCES, is_good, rendered_keys};
use crate::etcd::{Kv, LiveLease, Member};
use crate::keys::{self, KEYS, TREES, Trees};
use crate::model::Model;
use crate::tenure::Tenure;
use crate::world::World;

/// Until a key is there, or gone: to leave a hung member, back off, and try the others.
const AGENT_ACTS: Time = 15_000;
/// Until a file is in step: a silent member is noticed by pings.
const PROXY_ACTS: Time = 25_000;
/// A renewal under way.
const RENEWAL: Time = 100;
/// After a failure it may take so long until it is tried again.
const TRIED_AGAIN: Time = 31_000;

/// What a client meets.
#[derive(Clone, Copy, Default)]
pub struct Fair {
    /// Since when each member serves it.
    good_since: [Option<Time>; 3],
    /// Until when something else disturbs it.
    pub disturbed_until: Time,
}

impl Model {
    /// Something keeps the client from its work until then.
    pub fn disturb(&mut self, client: usize, until: Time) {
        let fair = &mut self.fair[client];
        fair.disturbed_until = fair.disturbed_until.max(until);
    }

    pub fn disturb_all(&mut self, until: Time) {
        for client in 0..self.fair.len() {
            self.disturb(client, until);
        }
    }

    /// Notes who is served by whom now.
    pub fn note_fairness(&mut self) {
        let has_leader = self.etcd.has_leader();
        for client in 0..self.fair.len() {
            for member in 0..self.etcd.members.len() {
                let serves = has_leader
                    && self.etcd.members[member] == Member::Up
                    && !self.etcd.picky[member]
                    && self.network.lines[client].reaches(member, self.now);
                let since = &mut self.fair[client].good_since[member];
                match serves {
                    true => _ = since.get_or_insert(self.now),
                    false => *since = None,
                }
            }
        }
    }

    /// Since when the client can do what it should, as far as etcd and the way there go.
    /// `trees`: that it reads or writes.
    pub fn fair_since(&self, client: usize, trees: Trees) -> Time {
        let Fair {
            good_since,
            disturbed_until,
        } = self.fair[client];
        let users = self.etcd.users;
        let host = &self.hosts[client];
        let named = host.process().is_some_and(|by| self.processes[by].named);
        let covers = |tree: usize| !trees[tree] || users.allowed[tree];
        if users.enabled && (!named || !users.bare || !(0..TREES).all(covers)) {
            return NEVER;
        }
        let served = good_since.iter().flatten().min().copied();
        let since = served.unwrap_or(NEVER).max(disturbed_until);
        since.max(host.ran_again_at)
    }

    /// How an agent that runs has had time enough for one of its keys, and has not done it.
    pub fn neglect_of_agent(
        &self,
        client: usize,
        key: usize,
        free_since: Option<Time>,
        wants: bool,
    ) -> Option<&'static str> {
        let by = self.hosts[client].process()?;
        let tenure = &self.processes[by].tenures[key];
        // What becomes of its other keys does not matter.
        let since = self.fair_since(client, keys::only(keys::tree(key)));
        let late = |since: Time| self.now > since.saturating_add(AGENT_ACTS);
        if self.lets_lease_run_low(client, by, key) {
            return Some("lets its lease run low");
        }
        let kv = self.etcd.keys[key].filter(|kv| self.owner(kv.lease) == Some(by));
        if wants {
            if kv.is_some_and(|kv| !self.shows(tenure, kv))
                && late(since.max(tenure.restated_at).max(tenure.wanted_since))
            {
                return Some("leaves its key as it was");
            }
            let since = since.max(free_since?).max(tenure.wanted_since);
            return late(since).then_some("leaves its key missing");
        }
        let since = since.max(tenure.unwanted_since?);
        let since = match tenure.is_given_up() {
            // Given up, or so before a restore: etcd itself ends it, in its time.
            true => since.max(self.etcd.prolonged_at),
            false => since,
        };
        (kv.is_some() && late(since)).then_some("leaves its key there")
    }

    /// Whether a key of a tenure is as it should be.
    pub fn shows(&self, tenure: &Tenure, kv: Kv) -> bool {
        let lease = self.etcd.leases.iter().find(|lease| lease.id == kv.lease);
        tenure.service.is_none_or(|service| {
            kv.value == service.value && lease.is_none_or(|lease| lease.ttl == service.ttl)
        })
    }

    /// Whether it has not renewed a lease in time, with nothing and no member in its way.
    fn lets_lease_run_low(&self, client: usize, by: usize, key: usize) -> bool {
        let members = &self.fair[client].good_since[..self.etcd.members.len()];
        let all = members.iter().map(|since| since.unwrap_or(NEVER)).max();
        let fair = self.fair_since(client, keys::only(keys::tree(key)));
        let since = fair.max(all.unwrap_or(NEVER));
        if self.now <= since.saturating_add(AGENT_ACTS) {
            return false;
        }
        let Some(kv) = self.etcd.keys[key] else {
            return false;
        };
        let LiveLease {
            ttl, expires_at, ..
        } = match self.etcd.leases.iter().find(|lease| lease.id == kv.lease) {
            Some(lease) if self.owner(lease.id) == Some(by) && self.is_kept(lease.id) => *lease,
            Some(_) | None => return false,
        };
        self.now + ttl > expires_at + ttl / 3 + RENEWAL
    }

    /// Which file a proxy side that runs has had time enough to bring in step, and has not.
    pub fn neglect_of_proxy(&self, client: usize) -> Option<usize> {
        let disk = &self.disk;
        let enough = PROXY_ACTS + 30 * disk.pace + disk.kinds().reload_interval.unwrap_or(0);
        let late = |resource: &usize| {
            let trees = disk.trees_of(*resource);
            let changed_at = (0..TREES).filter(|tree| trees[*tree]);
            let changed_at = changed_at.map(|tree| self.changed_at[tree]).max();
            let troubled_at = disk
                .group_of(*resource)
                .map(|other| disk.troubled_at[other]);
            let calm = troubled_at.max().unwrap_or(0).saturating_add(TRIED_AGAIN);
            let since = self.fair_since(client, trees).max(calm);
            let since = since.max(changed_at.unwrap_or(0));
            self.now > since.saturating_add(enough)
        };
        (0..RESOURCES).filter(late).find(|resource| {
            let wanted = rendered_keys(&self.etcd.keys, disk.trees_of(*resource));
            let takes = !disk.is_checked(*resource) || is_good(wanted);
            takes && disk.files[*resource].dest != Some(wanted)
        })
    }

    /// Keys of the tree have changed.
    pub fn note_changes(&mut self, since: i64) {
        let now = self.now;
        for change in self.etcd.since(since) {
            self.changed_at[keys::tree(change.key)] = now;
        }
    }
}

impl World {
    pub fn check_fairness(&self) {
        let model = self.shared.borrow();
        let mut fault = None;
        for client in 0..self.processes.len() {
            let runs = self.processes[client].as_ref();
            if runs.is_none_or(|process| process.frozen_until > model.now) {
                continue;
            }
            if model.hosts[client].stopping.is_some() {
                continue;
            }
            let neglect = match client < self.agents().len() {
                true => (0..KEYS).find_map(|key| {
                    let wants = self.wants(client, key).is_some();
                    let neglect =
                        model.neglect_of_agent(client, key, self.free_since[key], wants)?;
                    Some(format!("{neglect}, key {key},"))
                }),
                false => {
                    let neglect = model.neglect_of_proxy(client);
                    neglect.map(|file| format!("leaves file {file} behind"))
                }
            };
            if let Some(neglect) = neglect {
                fault = Some(format!(
                    "client {client} {neglect} long after it could have acted"
                ));
            }
        }
        drop(model);
        if let Some(fault) = fault {
            self.shared.borrow_mut().fail(|| fault);
        }
    }
}
