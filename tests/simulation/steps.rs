//! What the steps of a schedule do, and that everything works again in the end.

use crate::clock::{NEVER, Time};
use crate::etcd::Member;
use crate::files::USER;
use crate::keys;
use crate::model::Model;
use crate::network::Line;
use crate::schedule::{Reading, What};
use crate::world::World;

/// Ranges that were denied are looked at again after so long.
const RECHECKED: Time = 31_000;

impl World {
    pub fn apply(&mut self, what: What) {
        let before = {
            let mut model = self.shared.borrow_mut();
            model.events += 1;
            model.trace(|| format!("──── {what:?}"));
            model.etcd.history.revision
        };
        let proxy = self.proxy();
        let now = self.shared.borrow().now;
        match what {
            What::Start { client } => self.start(client),
            What::Kill { client } => self.kill(client),
            What::Stop { client } => self.signal(client, 15),
            What::Freeze { client, time } => self.freeze(client, now + time),
            What::ReloadProxy { other_keys } => {
                self.shared.borrow_mut().disturb(proxy, now);
                self.shared.borrow_mut().disk.other_keys = other_keys;
                self.signal(proxy, 1);
            }
            What::ReloadAgent { agent, reading } => {
                self.shared.borrow_mut().hosts[agent].reading = reading;
                self.signal(agent, 1);
            }
            What::Say {
                agent,
                key,
                drained,
            } => {
                let mut model = self.shared.borrow_mut();
                model.hosts[agent].asking.say(key, drained);
                model.wake(agent);
            }
            What::ForChild => self.signal(proxy, USER.as_raw() as u8),
            What::Meddle { file } => self.meddle(file),
            What::PutLeased { .. }
            | What::Put { .. }
            | What::PutInAllTrees { .. }
            | What::Burst { .. }
            | What::Delete { .. }
            | What::Revoke { .. } => self.by_others(what),
            _ => self.shared.borrow_mut().apply(what, proxy),
        }
        self.note_free_keys();
        let mut model = self.shared.borrow_mut();
        model.note_changes(before + 1);
        model.wake_watchers();
    }

    /// What is put right with all else, in time or on SIGHUP.
    fn meddle(&mut self, file: usize) {
        let mut model = self.shared.borrow_mut();
        if !model.disk.meddle(file) {
            return;
        }
        let at = model.now + self.setting.interval.unwrap_or_default();
        let trees = model.disk.trees_of(file);
        for tree in (0..keys::TREES).filter(|tree| trees[*tree]) {
            model.changed_at[tree] = model.changed_at[tree].max(at);
        }
        drop(model);
        if self.setting.interval.is_none() {
            self.signal(self.proxy(), 1);
        }
    }

    fn by_others(&mut self, what: What) {
        let mut model = self.shared.borrow_mut();
        if !model.etcd.has_leader() {
            return;
        }
        let now = model.now;
        let etcd = &mut model.etcd;
        match what {
            What::PutLeased { key, value, ttl } => {
                self.others += 1;
                let (ttl, end) = ttl.map_or((NEVER, NEVER), |ttl| (ttl, now + ttl));
                etcd.grant(self.others, ttl, end);
                etcd.put(key, value, self.others);
            }
            What::Put { key, value } => etcd.put(key, value, 0),
            What::PutInAllTrees { value } => etcd.put_in_all_trees(value),
            What::Burst { key, count } => {
                for value in 1..=count {
                    // Not one that makes a file bad.
                    etcd.put(key, 20 + value % 100, 0);
                }
            }
            What::Delete { key } => etcd.delete(key),
            What::Revoke { key } => {
                if let Some(kv) = etcd.keys[key] {
                    etcd.revoke(kv.lease);
                }
            }
            _ => {}
        }
    }

    /// Ends all disturbances. Who was killed stays so; who was turned away, and the proxy side, are
    /// started again.
    pub fn heal(&mut self, others_stay: bool) {
        {
            let mut model = self.shared.borrow_mut();
            model.trace(|| "──── everything works again".to_owned());
            model.heal(self.setting.named);
            if !others_stay {
                for other in 1..=self.others {
                    model.etcd.revoke(other);
                }
            }
            model.wake_watchers();
        }
        for process in self.processes.iter_mut().flatten() {
            process.frozen_until = 0;
        }
        for client in 0..self.processes.len() {
            if self.turned_away[client] {
                self.start(client);
            }
        }
        self.start(self.proxy());
    }
}

impl Model {
    fn apply(&mut self, what: What, proxy: usize) {
        let now = self.now;
        match what {
            What::Backend {
                agent,
                key,
                check,
                met,
            } => self.hosts[agent].backends[key][check] = met,
            What::Edit { agent, key, edit } => self.hosts[agent].edit(key, edit),
            What::Call {
                client,
                after,
                fate,
            } => self.network.lines[client].destine(after, fate),
            What::Reset { client } => self.reset(client),
            What::Partition {
                client,
                member,
                time,
            } => self.network.lines[client].cut(member, now + time),
            What::HoldWatch { client, time } => {
                self.disturb(client, now + time);
                self.network.lines[client].held_until = now + time;
            }
            What::Deaf { client, deaf } => self.hosts[client].deaf = deaf,
            What::Member { member, state } => self.etcd.set_member(member, state, now),
            What::Picky { member, picky } => self.etcd.picky[member] = picky,
            What::Users { enabled } => {
                self.disturb_all(now + RECHECKED);
                self.etcd.enable_users(enabled);
            }
            What::Bare { allowed } => {
                self.disturb_all(now + RECHECKED);
                self.etcd.allow_bare(allowed);
            }
            What::Role { tree, allowed } => {
                self.disturb_all(now + RECHECKED);
                self.etcd.allow(tree, allowed);
            }
            What::NewLeader => self.etcd.elect(now),
            What::Compact => self.compact(),
            What::Backup => self.etcd.keep_backup(),
            What::Restore { same_cluster } => {
                self.etcd.restore(same_cluster, now);
                self.disturb_all(now);
                self.changed_at = [now; keys::TREES];
                let tenures = self.processes.iter_mut().flat_map(|by| &mut by.tenures);
                tenures.for_each(|tenure| tenure.overtaken = true);
            }
            What::Disk { after, fate } => self.disk.destine(after, fate),
            What::Daemon { broken } => self.disk.broken = broken,
            What::Pace { time } => self.disk.pace = time,
            What::Child { stubborn } => self.disk.stubborn = stubborn,
            What::ChildEnds => self.child_ends(1),
            What::Notify => self.notify(proxy),
            other => unreachable!("{other:?} is about processes, or by others"),
        }
    }

    fn heal(&mut self, named: bool) {
        let now = self.now;
        for member in 0..self.etcd.members.len() {
            self.etcd.set_member(member, Member::Up, now);
        }
        self.etcd.picky = [false; 3];
        if !named && self.etcd.users.enabled {
            self.etcd.enable_users(false);
        }
        for tree in 0..keys::TREES {
            self.etcd.allow(tree, true);
        }
        self.etcd.allow_bare(true);
        self.disturb_all(now + RECHECKED);
        for host in &mut self.hosts {
            host.ran_again_at = host.ran_again_at.min(now);
            host.deaf = false;
            host.reading = Reading::Works;
        }
        self.network.lines.fill(Line::default());
        self.disk.heal(now);
        self.healed_at = now;
    }
}
