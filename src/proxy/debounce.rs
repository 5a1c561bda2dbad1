//! When to act on changes: on the first at once, on those that follow soon together. Pure.

use std::time::{Duration, Instant};

/// How changes are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebounceSettings {
    /// Act once nothing has changed for so long.
    pub quiet: Duration,
    /// Act so long after a change at the latest.
    pub max: Duration,
}

/// ```text
///         changed            acted               time passes
///  Idle ──────────▶ Due now ───────▶ Cooling ──────────────────▶ Idle
///                      ▲               │ changed
///                      └─ quiet or max ┴──▶ Gathering
/// ```
#[derive(Clone, Debug)]
pub struct Debounce {
    settings: DebounceSettings,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is waiting; a change before `until` belongs to what was acted on last.
    Cooling { until: Option<Instant> },
    /// Something changed first at `since`.
    Gathering { since: Instant, due: Instant },
}

impl Debounce {
    #[must_use]
    pub fn new(settings: DebounceSettings) -> Self {
        Self {
            settings,
            state: State::Cooling { until: None },
        }
    }

    /// Something changed.
    pub fn changed(&mut self, now: Instant) {
        let DebounceSettings { quiet, max } = self.settings;
        self.state = match self.state {
            State::Cooling { until } if until.is_some_and(|until| now < until) => {
                State::Gathering {
                    since: now,
                    due: now + quiet.min(max),
                }
            }
            State::Cooling { .. } => State::Gathering {
                since: now,
                due: now,
            },
            State::Gathering { since, due } if due <= now => State::Gathering { since, due },
            State::Gathering { since, .. } => State::Gathering {
                since,
                due: (now + quiet).min(since + max),
            },
        };
    }

    /// All changes so far are being acted on.
    pub fn acted(&mut self, now: Instant) {
        self.state = State::Cooling {
            until: Some(now + self.settings.quiet),
        };
    }

    /// When to act, if something changed.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Cooling { .. } => None,
            State::Gathering { due, .. } => Some(due),
        }
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

    /// Feeds changes at these milliseconds, acting whenever it is due; says when it acted.
    fn acts(changes: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let millis = |instant: Instant| {
            u64::try_from(instant.duration_since(start).as_millis()).expect("short")
        };
        let mut debounce = Debounce::new(SETTINGS);
        let mut acts = Vec::new();
        let mut act_until = |debounce: &mut Debounce, limit: Option<Instant>| {
            while let Some(due) = debounce.due()
                && limit.is_none_or(|limit| due <= limit)
            {
                acts.push(millis(due));
                debounce.acted(due);
            }
        };
        for change in changes {
            act_until(&mut debounce, Some(at(*change)));
            debounce.changed(at(*change));
        }
        act_until(&mut debounce, None);
        acts
    }

    #[test]
    fn a_single_change_is_acted_on_at_once() {
        assert_eq!(acts(&[7]), [7]);
    }

    #[test]
    fn changes_after_a_quiet_time_are_each_acted_on_at_once() {
        assert_eq!(acts(&[0, 50, 200]), [0, 50, 200]);
    }

    #[test]
    fn a_burst_is_acted_on_at_its_start_and_once_it_is_over() {
        assert_eq!(acts(&[0, 1, 2, 30, 60]), [0, 110]);
    }

    #[test]
    fn changes_without_a_pause_wait_no_longer_than_the_maximum() {
        let endless: Vec<_> = (0..60).map(|n| n * 20).collect();
        assert_eq!(acts(&endless), [0, 520, 1020, 1230]);
    }

    #[test]
    fn what_is_due_stays_due_until_it_is_acted_on() {
        let start = Instant::now();
        let mut debounce = Debounce::new(SETTINGS);
        assert_eq!(debounce.due(), None);
        debounce.changed(start);
        debounce.changed(start);
        debounce.changed(start + Duration::from_millis(10));
        assert_eq!(debounce.due(), Some(start));
        debounce.acted(start + Duration::from_millis(10));
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn a_maximum_below_the_quiet_time_is_kept() {
        let start = Instant::now();
        let max = Duration::from_millis(20);
        let mut debounce = Debounce::new(DebounceSettings { max, ..SETTINGS });
        debounce.acted(start);
        debounce.changed(start);
        assert_eq!(debounce.due(), Some(start + max));
    }

    proptest! {
        #[test]
        fn no_change_waits_longer_than_the_maximum(mut changes in prop::collection::vec(0_u64..5_000, 1..200)) {
            changes.sort_unstable();
            let acts = acts(&changes);
            for change in &changes {
                prop_assert!(acts.iter().any(|act| act >= change && *act <= change + 500), "{change} {acts:?}");
            }
        }

        #[test]
        fn acts_are_as_far_apart_as_the_quiet_time(mut changes in prop::collection::vec(0_u64..5_000, 1..200)) {
            changes.sort_unstable();
            for pair in acts(&changes).windows(2) {
                prop_assert!(pair[1] - pair[0] >= 50, "{pair:?}");
            }
        }
    }
}
