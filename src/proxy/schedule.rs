//! Which resources to bring in step, and when: after changes, and again after failures. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::debounce::{Debounce, DebounceSettings};
use crate::backoff::Backoff;

/// The first wait after a failure, doubled up to [`RETRY_CAP`].
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(30);

/// How often a group is brought in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub debounce: DebounceSettings,
    /// From the end of a reload to the next pass.
    pub min_reload_interval: Duration,
}

impl Pace {
    /// That of a group with members of both.
    #[must_use]
    pub fn slower(self, other: Self) -> Self {
        let (one, two) = (self.debounce, other.debounce);
        Self {
            debounce: DebounceSettings {
                quiet: one.quiet.max(two.quiet),
                max: one.max.max(two.max),
            },
            min_reload_interval: self.min_reload_interval.max(other.min_reload_interval),
        }
    }
}

/// The resources, by their number, and what is to be done for each.
#[derive(Debug)]
pub struct Schedule {
    groups: Vec<Group>,
    resources: Vec<ScheduledResource>,
}

#[derive(Clone, Debug)]
struct Group {
    debounce: Debounce,
    min_reload_interval: Duration,
    /// No pass is begun before then.
    held_until: Option<Instant>,
    /// A pass over some of its resources is under way: others wait for its end.
    at_work: bool,
}

#[derive(Debug)]
struct ScheduledResource {
    /// Those that share a reload wait together.
    group: usize,
    /// Whether all that it reads is known.
    ready: bool,
    changed: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

impl Schedule {
    /// `groups`: the group of each resource, counted from 0; `paces`: of each group; `seed` for the
    /// back-off's jitter. None is ready yet.
    #[must_use]
    pub fn new(groups: &[usize], paces: &[Pace], seed: u64) -> Self {
        let resources = groups.iter().map(|group| ScheduledResource {
            group: *group,
            ready: false,
            changed: false,
            retry_at: None,
            backoff: Backoff::new(RETRY_FIRST, RETRY_CAP, seed),
        });
        let of_groups = paces.iter().map(|pace| Group {
            debounce: Debounce::new(pace.debounce),
            min_reload_interval: pace.min_reload_interval,
            held_until: None,
            at_work: false,
        });
        Self {
            groups: of_groups.collect(),
            resources: resources.collect(),
        }
    }

    /// Whether all that the resource reads is known. Once it is, it is to be brought in step.
    pub fn set_ready(&mut self, resource: usize, ready: bool, now: Instant) {
        let before = std::mem::replace(&mut self.resources[resource].ready, ready);
        if ready && !before {
            self.changed(resource, now);
        }
    }

    /// A value that the resource depends on changed.
    pub fn changed(&mut self, resource: usize, now: Instant) {
        let resource = &mut self.resources[resource];
        resource.changed = true;
        if resource.ready {
            self.groups[resource.group].debounce.changed(now);
        }
    }

    /// Whether the resource is to be brought in step.
    #[must_use]
    pub fn is_pending(&self, resource: usize) -> bool {
        let resource = &self.resources[resource];
        resource.changed || resource.retry_at.is_some()
    }

    /// Everything may have changed.
    pub fn all_changed(&mut self, now: Instant) {
        for resource in 0..self.resources.len() {
            self.changed(resource, now);
        }
    }

    /// Takes out the resources to bring in step now, in order: those of at most so many groups, each of
    /// which is at work from here on. Report each with [`Self::done`], and the group's end with
    /// [`Self::set_at_work`].
    pub fn due(&mut self, room: usize, now: Instant) -> Vec<Vec<usize>> {
        let is_past = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        let is_held = |group: &Group| group.held_until.is_some_and(|until| now < until);
        let ripe: Vec<_> = self
            .groups
            .iter()
            .map(|group| is_past(group.debounce.due()) && !is_held(group))
            .collect();
        let mut due: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut left = BTreeSet::new();
        for (number, resource) in self.resources.iter_mut().enumerate() {
            let group = resource.group;
            let wanted = resource.changed && ripe[group];
            let is_due = resource.ready && (wanted || is_past(resource.retry_at));
            if !is_due || self.groups[group].at_work || is_held(&self.groups[group]) {
                continue;
            }
            if due.contains_key(&group) || due.len() < room {
                resource.changed = false;
                resource.retry_at = None;
                due.entry(group).or_default().push(number);
            } else {
                left.insert(group);
            }
        }
        for (number, group) in self.groups.iter_mut().enumerate() {
            if ripe[number] && !group.at_work && !left.contains(&number) {
                group.debounce.acted(now);
            }
            group.at_work |= due.contains_key(&number);
        }
        due.into_values().collect()
    }

    /// Passes over these are under way, and over no others.
    pub fn set_at_work(&mut self, resources: &BTreeSet<usize>) {
        for group in &mut self.groups {
            group.at_work = false;
        }
        for resource in resources {
            let group = self.resources[*resource].group;
            self.groups[group].at_work = true;
        }
    }

    /// What came of a resource that was due; a failure is tried again after a while.
    pub fn done(&mut self, resource: usize, failed: bool, now: Instant) {
        let resource = &mut self.resources[resource];
        if failed {
            resource.retry_at = Some(now + resource.backoff.delay());
        } else {
            resource.backoff.reset();
        }
    }

    /// A reload for the resource ended then.
    pub fn reloaded(&mut self, resource: usize, ended_at: Instant) {
        let group = &mut self.groups[self.resources[resource].group];
        if !group.min_reload_interval.is_zero() {
            let until = ended_at + group.min_reload_interval;
            group.held_until = group.held_until.max(Some(until));
        }
    }

    /// When to ask [`Self::due`] again, at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let resting = |group: &&Group| !group.at_work;
        let groups = self.groups.iter().filter(resting);
        let due = groups.filter_map(|group| group.not_before(group.debounce.due()));
        let retries = self.resources.iter().filter_map(|resource| {
            let group = &self.groups[resource.group];
            let retry = resource.retry_at.filter(|_| resource.ready);
            group.not_before(retry.filter(|_| resting(&group)))
        });
        due.chain(retries).min()
    }
}

impl Group {
    /// When that is due, if it is.
    fn not_before(&self, due: Option<Instant>) -> Option<Instant> {
        let due = due?;
        Some(self.held_until.map_or(due, |until| until.max(due)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: DebounceSettings = DebounceSettings {
        quiet: Duration::from_millis(50),
        max: Duration::from_millis(500),
    };

    const PACE: Pace = Pace {
        debounce: SETTINGS,
        min_reload_interval: Duration::ZERO,
    };

    /// Each group at this pace.
    fn scheduled(groups: &[usize], pace: Pace) -> Schedule {
        let count = groups.iter().max().map_or(0, |last| last + 1);
        Schedule::new(groups, &vec![pace; count], 1)
    }

    fn ready(groups: &[usize], now: Instant) -> Schedule {
        ready_at(groups, PACE, now)
    }

    fn ready_at(groups: &[usize], pace: Pace, now: Instant) -> Schedule {
        let mut schedule = scheduled(groups, pace);
        let long_ago = now - ms(1_000);
        for resource in 0..groups.len() {
            schedule.set_ready(resource, true, long_ago);
        }
        let _first = due(&mut schedule, long_ago);
        schedule
    }

    /// What is due, each group of which is at work for no time.
    fn due(schedule: &mut Schedule, now: Instant) -> Vec<usize> {
        let mut due = schedule.due(usize::MAX, now).concat();
        schedule.set_at_work(&BTreeSet::from([]));
        due.sort_unstable();
        due
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn only_what_changed_is_due() {
        let now = Instant::now();
        let mut schedule = ready(&[0, 1, 2], now);
        schedule.changed(1, now);
        assert_eq!(schedule.deadline(), Some(now));
        assert_eq!(due(&mut schedule, now), [1]);
        assert_eq!(schedule.deadline(), None);
        assert_eq!(due(&mut schedule, now), [0_usize; 0]);
    }

    #[test]
    fn everything_is_due_when_everything_may_have_changed() {
        let now = Instant::now();
        let mut schedule = ready(&[0, 0, 1], now);
        schedule.all_changed(now);
        assert_eq!(due(&mut schedule, now), [0, 1, 2]);
        assert!(due(&mut ready(&[], now), now).is_empty());
    }

    #[test]
    fn after_a_reload_the_whole_group_waits_and_others_do_not() {
        let now = Instant::now();
        let pace = Pace {
            min_reload_interval: ms(5_000),
            ..PACE
        };
        let mut schedule = ready_at(&[0, 0, 1], pace, now);
        schedule.changed(0, now);
        assert_eq!(due(&mut schedule, now), [0], "the first does not wait");
        schedule.reloaded(0, now + ms(10));
        schedule.changed(1, now + ms(20));
        schedule.changed(2, now + ms(20));
        assert_eq!(due(&mut schedule, now + ms(100)), [2]);
        let end = now + ms(5_010);
        assert_eq!(schedule.deadline(), Some(end));
        schedule.changed(0, end - ms(1));
        assert_eq!(due(&mut schedule, end - ms(1)), [0_usize; 0]);
        assert_eq!(due(&mut schedule, end), [0, 1]);
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_retry_waits_for_the_end_of_the_interval_too() {
        let now = Instant::now();
        let pace = Pace {
            min_reload_interval: ms(60_000),
            ..PACE
        };
        let mut schedule = ready_at(&[0], pace, now);
        schedule.changed(0, now);
        assert_eq!(due(&mut schedule, now), [0]);
        schedule.done(0, true, now);
        schedule.reloaded(0, now);
        assert_eq!(schedule.deadline(), Some(now + ms(60_000)));
        assert_eq!(due(&mut schedule, now + ms(59_999)), [0_usize; 0]);
        assert_eq!(due(&mut schedule, now + ms(60_000)), [0]);
    }

    #[test]
    fn a_group_takes_its_members_longest_times() {
        let slow = Pace {
            debounce: DebounceSettings {
                quiet: ms(10),
                max: ms(9_000),
            },
            min_reload_interval: ms(5_000),
        };
        let both = PACE.slower(slow);
        assert_eq!(both, slow.slower(PACE));
        assert_eq!(both.debounce.quiet, ms(50));
        assert_eq!(both.debounce.max, ms(9_000));
        assert_eq!(both.min_reload_interval, ms(5_000));
    }

    #[test]
    fn a_retry_takes_along_nobody_else() {
        let now = Instant::now();
        let mut schedule = ready(&[0, 0], now);
        schedule.all_changed(now);
        assert_eq!(due(&mut schedule, now), [0, 1]);
        schedule.done(0, false, now);
        schedule.done(1, true, now);
        let retry = schedule.deadline().expect("a retry");
        assert_eq!(due(&mut schedule, retry - ms(1)), [0_usize; 0]);
        assert_eq!(due(&mut schedule, retry), [1]);
    }

    #[test]
    fn resources_that_share_a_reload_are_gathered_together_and_others_do_not_wait() {
        let now = Instant::now();
        let mut schedule = ready(&[0, 0, 1], now);
        schedule.changed(0, now);
        assert_eq!(due(&mut schedule, now), [0]);
        schedule.changed(1, now + ms(10));
        schedule.changed(2, now + ms(10));
        assert_eq!(due(&mut schedule, now + ms(10)), [2]);
        schedule.changed(0, now + ms(20));
        assert_eq!(schedule.deadline(), Some(now + ms(70)));
        assert_eq!(due(&mut schedule, now + ms(70)), [0, 1]);
    }

    #[test]
    fn a_failure_is_tried_again_later_and_later_until_it_succeeds() {
        let now = Instant::now();
        let mut schedule = ready(&[0], now);
        schedule.changed(0, now);
        let mut waits = Vec::new();
        let mut time = now;
        for _ in 0..3 {
            assert_eq!(due(&mut schedule, time), [0]);
            schedule.done(0, true, time);
            let retry = schedule.deadline().expect("a retry");
            waits.push(retry - time);
            time = retry;
        }
        assert!(
            waits[0] <= ms(500) && waits[1] > ms(499) && waits[2] > ms(999),
            "{waits:?}"
        );
        assert_eq!(due(&mut schedule, time), [0]);
        schedule.done(0, false, time);
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_change_does_not_wait_for_the_retry() {
        let now = Instant::now();
        let mut schedule = ready(&[0], now);
        schedule.changed(0, now);
        assert_eq!(due(&mut schedule, now), [0]);
        schedule.done(0, true, now);
        schedule.changed(0, now + ms(60));
        assert_eq!(due(&mut schedule, now + ms(60)), [0]);
        schedule.done(0, false, now + ms(60));
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_resource_waits_until_all_that_it_reads_is_known() {
        let now = Instant::now();
        let mut schedule = scheduled(&[0, 0], PACE);
        schedule.all_changed(now);
        assert_eq!(schedule.deadline(), None);
        schedule.set_ready(1, true, now);
        assert_eq!(due(&mut schedule, now), [1]);
        schedule.set_ready(1, false, now);
        schedule.changed(1, now + ms(100));
        assert_eq!(schedule.deadline(), None);
        schedule.set_ready(0, true, now + ms(200));
        schedule.set_ready(1, true, now + ms(200));
        assert_eq!(due(&mut schedule, now + ms(200)), [0, 1]);
    }

    #[test]
    fn what_is_not_ready_any_more_when_its_time_comes_is_not_waited_for() {
        let now = Instant::now();
        let mut schedule = ready(&[0], now);
        schedule.changed(0, now);
        schedule.set_ready(0, false, now);
        assert_eq!(due(&mut schedule, now), [0_usize; 0]);
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_group_at_work_waits_for_its_end_and_others_do_not() {
        let now = Instant::now();
        let mut schedule = ready(&[0, 0, 1], now);
        schedule.changed(0, now);
        assert_eq!(schedule.due(usize::MAX, now), [[0]]);
        schedule.changed(1, now + ms(100));
        schedule.changed(2, now + ms(100));
        assert_eq!(schedule.due(usize::MAX, now + ms(100)), [[2]]);
        assert_eq!(schedule.deadline(), None);
        schedule.set_at_work(&BTreeSet::from([2]));
        assert_eq!(schedule.due(usize::MAX, now + ms(300)), [[1]]);
    }

    #[test]
    fn where_there_is_no_room_for_a_group_it_stays_due() {
        let now = Instant::now();
        let mut schedule = ready(&[0, 1, 1, 2], now);
        schedule.all_changed(now);
        assert_eq!(schedule.due(2, now), [vec![0], vec![1, 2]]);
        assert_eq!(schedule.deadline(), Some(now));
        assert!(schedule.due(0, now).is_empty());
        assert_eq!(schedule.due(1, now), [[3]]);
    }

    proptest! {
        /// Whatever happens: a change, and a failure, is followed by a run.
        #[test]
        fn nothing_is_forgotten(steps in prop::collection::vec((0_u64..300, 0_usize..3, any::<bool>()), 1..60)) {
            let mut now = Instant::now();
            let mut schedule = ready(&[0, 0, 1], now);
            let mut stale = [false; 3];
            for (wait, resource, fails) in steps {
                now += ms(wait);
                schedule.changed(resource, now);
                stale[resource] = true;
                for due in due(&mut schedule, now) {
                    stale[due] = fails;
                    schedule.done(due, fails, now);
                }
            }
            while let Some(deadline) = schedule.deadline() {
                for due in due(&mut schedule, deadline) {
                    stale[due] = false;
                    schedule.done(due, false, deadline);
                }
            }
            prop_assert_eq!(stale, [false; 3]);
        }
    }
}
