//! Which resources to bring in step, and when: after changes, and again after failures. Pure.

use std::time::{Duration, Instant};

use super::debounce::{Debounce, DebounceSettings};
use crate::backoff::Backoff;

/// The first wait after a failure, doubled up to [`RETRY_CAP`].
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(30);

/// The resources, by their number, and what is to be done for each.
#[derive(Debug)]
pub struct Schedule {
    groups: Vec<Debounce>,
    resources: Vec<ScheduledResource>,
}

#[derive(Debug)]
struct ScheduledResource {
    /// Those that share a reload wait together.
    group: usize,
    changed: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

impl Schedule {
    /// `groups`: the group of each resource, counted from 0; `seed` for the back-off's jitter.
    #[must_use]
    pub fn new(groups: &[usize], settings: DebounceSettings, seed: u64) -> Self {
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let resources = groups.iter().map(|group| ScheduledResource {
            group: *group,
            changed: false,
            retry_at: None,
            backoff: Backoff::new(RETRY_FIRST, RETRY_CAP, seed),
        });
        Self {
            groups: vec![Debounce::new(settings); count],
            resources: resources.collect(),
        }
    }

    /// A value that the resource depends on changed.
    pub fn changed(&mut self, resource: usize, now: Instant) {
        let resource = &mut self.resources[resource];
        resource.changed = true;
        self.groups[resource.group].changed(now);
    }

    /// Everything may have changed.
    pub fn all_changed(&mut self, now: Instant) {
        for resource in 0..self.resources.len() {
            self.changed(resource, now);
        }
    }

    /// Takes out the resources to bring in step now, in order. Report each with [`Self::done`].
    pub fn due(&mut self, now: Instant) -> Vec<usize> {
        let is_past = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        let ripe: Vec<_> = self
            .groups
            .iter()
            .map(|group| is_past(group.due()))
            .collect();
        let mut due = Vec::new();
        for (number, resource) in self.resources.iter_mut().enumerate() {
            let wanted = resource.changed && ripe[resource.group];
            if wanted || is_past(resource.retry_at) {
                resource.changed = false;
                resource.retry_at = None;
                due.push(number);
            }
        }
        for (group, ripe) in self.groups.iter_mut().zip(ripe) {
            if ripe {
                group.acted(now);
            }
        }
        due
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

    /// When to ask [`Self::due`] again, at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let groups = self.groups.iter().filter_map(Debounce::due);
        let retries = self
            .resources
            .iter()
            .filter_map(|resource| resource.retry_at);
        groups.chain(retries).min()
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

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn only_what_changed_is_due() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&[0, 1, 2], SETTINGS, 1);
        schedule.changed(1, now);
        assert_eq!(schedule.deadline(), Some(now));
        assert_eq!(schedule.due(now), [1]);
        assert_eq!(schedule.deadline(), None);
        assert_eq!(schedule.due(now), [0_usize; 0]);
    }

    #[test]
    fn everything_is_due_when_everything_may_have_changed() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&[0, 0, 1], SETTINGS, 1);
        schedule.all_changed(now);
        assert_eq!(schedule.due(now), [0, 1, 2]);
        assert!(Schedule::new(&[], SETTINGS, 1).due(now).is_empty());
    }

    #[test]
    fn a_retry_takes_along_nobody_else() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&[0, 0], SETTINGS, 1);
        schedule.all_changed(now);
        assert_eq!(schedule.due(now), [0, 1]);
        schedule.done(0, false, now);
        schedule.done(1, true, now);
        let retry = schedule.deadline().expect("a retry");
        assert_eq!(schedule.due(retry - ms(1)), [0_usize; 0]);
        assert_eq!(schedule.due(retry), [1]);
    }

    #[test]
    fn resources_that_share_a_reload_are_gathered_together_and_others_do_not_wait() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&[0, 0, 1], SETTINGS, 1);
        schedule.changed(0, now);
        assert_eq!(schedule.due(now), [0]);
        schedule.changed(1, now + ms(10));
        schedule.changed(2, now + ms(10));
        assert_eq!(schedule.due(now + ms(10)), [2]);
        schedule.changed(0, now + ms(20));
        assert_eq!(schedule.deadline(), Some(now + ms(70)));
        assert_eq!(schedule.due(now + ms(70)), [0, 1]);
    }

    #[test]
    fn a_failure_is_tried_again_later_and_later_until_it_succeeds() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&[0], SETTINGS, 1);
        schedule.changed(0, now);
        let mut waits = Vec::new();
        let mut time = now;
        for _ in 0..3 {
            assert_eq!(schedule.due(time), [0]);
            schedule.done(0, true, time);
            let retry = schedule.deadline().expect("a retry");
            waits.push(retry - time);
            time = retry;
        }
        assert!(
            waits[0] <= ms(500) && waits[1] > ms(499) && waits[2] > ms(999),
            "{waits:?}"
        );
        assert_eq!(schedule.due(time), [0]);
        schedule.done(0, false, time);
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_change_does_not_wait_for_the_retry() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&[0], SETTINGS, 1);
        schedule.changed(0, now);
        assert_eq!(schedule.due(now), [0]);
        schedule.done(0, true, now);
        schedule.changed(0, now + ms(60));
        assert_eq!(schedule.due(now + ms(60)), [0]);
        schedule.done(0, false, now + ms(60));
        assert_eq!(schedule.deadline(), None);
    }

    proptest! {
        /// Whatever happens: a change, and a failure, is followed by a run.
        #[test]
        fn nothing_is_forgotten(steps in prop::collection::vec((0_u64..300, 0_usize..3, any::<bool>()), 1..60)) {
            let mut now = Instant::now();
            let mut schedule = Schedule::new(&[0, 0, 1], SETTINGS, 1);
            let mut stale = [false; 3];
            for (wait, resource, fails) in steps {
                now += ms(wait);
                schedule.changed(resource, now);
                stale[resource] = true;
                for due in schedule.due(now) {
                    stale[due] = fails;
                    schedule.done(due, fails, now);
                }
            }
            while let Some(deadline) = schedule.deadline() {
                for due in schedule.due(deadline) {
                    stale[due] = false;
                    schedule.done(due, false, deadline);
                }
            }
            prop_assert_eq!(stale, [false; 3]);
        }
    }
}
