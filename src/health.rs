//! Probe results → verdict: `rise` passes in a row make a backend up, `fall` failures make it down.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

use std::time::{Duration, Instant};

/// What is held to be true of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Up,
    Down,
}

/// How many results in a row turn the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub rise: u32,
    pub fall: u32,
}

/// How long to wait between probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// While the backend is up and nothing contradicts it.
    pub interval: Duration,
    /// While a verdict is being confirmed, or the backend is down.
    pub fast_interval: Duration,
}

/// The health of one backend.
///
/// ```text
///              rise passes              fall failures
///  no verdict ─────────────▶ Up ◀─────▶ Down ◀───────────── no verdict
///                              rise / fall
/// ```
///
/// A start grace withholds the step from no verdict to Down.
#[derive(Clone, Debug)]
pub struct Health {
    thresholds: Thresholds,
    verdict: Option<Verdict>,
    /// The latest results that agree with one another, but not with the verdict.
    streak: Option<(Verdict, u32)>,
}

impl Health {
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            verdict: None,
            streak: None,
        }
    }

    /// From the next result on.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
    }

    /// Takes in one probe's result; returns the verdict if this result turned it.
    pub fn observe(&mut self, passed: bool) -> Option<Verdict> {
        self.take_in(passed, false)
    }

    /// The same soon after the start: a backend that has not been up yet is not down. Its failures
    /// count, for when that time is over.
    pub fn observe_in_grace(&mut self, passed: bool) -> Option<Verdict> {
        self.take_in(passed, true)
    }

    /// Whether the backend is neither up nor down so far.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.verdict.is_none()
    }

    fn take_in(&mut self, passed: bool, in_grace: bool) -> Option<Verdict> {
        let (points_to, needed) = if passed {
            (Verdict::Up, self.thresholds.rise)
        } else {
            (Verdict::Down, self.thresholds.fall)
        };
        if self.verdict == Some(points_to) {
            self.streak = None;
            return None;
        }
        let count = match self.streak {
            Some((verdict, count)) if verdict == points_to => count.saturating_add(1),
            Some(_) | None => 1,
        };
        let withheld = in_grace && points_to == Verdict::Down && self.is_undecided();
        if count < needed || withheld {
            self.streak = Some((points_to, count));
            return None;
        }
        self.streak = None;
        self.verdict = Some(points_to);
        self.verdict
    }

    /// The wait before the next probe, without jitter.
    #[must_use]
    pub fn wait(&self, cadence: Cadence) -> Duration {
        match (self.verdict, self.streak) {
            (Some(Verdict::Up), None) => cadence.interval,
            (Some(Verdict::Up), Some(_)) | (Some(Verdict::Down) | None, _) => cadence.fast_interval,
        }
    }
}

/// How long faults of our own host are not held against the backend: for three intervals they say
/// nothing of it, but then nobody vouches for it any more.
#[derive(Clone, Debug)]
pub struct Excuse {
    limit: Duration,
    since: Option<Instant>,
}

impl Excuse {
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            limit: interval.saturating_mul(3),
            since: None,
        }
    }

    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Our host was at fault at `now`.
    pub fn covers(&mut self, now: Instant) -> Covered {
        match self.since {
            None => {
                self.since = Some(now);
                Covered::ForTheFirstTime
            }
            Some(since) if now.duration_since(since) <= self.limit => Covered::Again,
            Some(_) => Covered::NoLonger,
        }
    }

    /// Whether probes tell nothing of the backend at the moment.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.since.is_some()
    }

    /// A probe told something of the backend: whether it could not before.
    pub fn ends(&mut self) -> bool {
        self.since.take().is_some()
    }
}

/// Whether a fault of our own host is excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    ForTheFirstTime,
    Again,
    NoLonger,
}

/// Spreads a wait by ±10 %, so that agents started together do not probe together.
/// `random` lies in 0..1.
#[must_use]
pub fn jittered(wait: Duration, random: f64) -> Duration {
    let factor = 0.9 + 0.2 * random.clamp(0.0, 1.0);
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdicts(rise: u32, fall: u32, results: &str) -> Vec<Option<Verdict>> {
        let mut health = Health::new(Thresholds { rise, fall });
        results
            .chars()
            .map(|result| health.observe(result == '+'))
            .collect()
    }

    #[test]
    fn the_first_pass_is_enough_with_rise_one() {
        assert_eq!(verdicts(1, 2, "+"), [Some(Verdict::Up)]);
    }

    #[test]
    fn a_single_failure_is_forgiven_with_fall_two() {
        assert_eq!(
            verdicts(1, 2, "+-+-"),
            [Some(Verdict::Up), None, None, None]
        );
    }

    #[test]
    fn two_failures_in_a_row_turn_it_down_once() {
        assert_eq!(
            verdicts(1, 2, "+---"),
            [Some(Verdict::Up), None, Some(Verdict::Down), None]
        );
    }

    #[test]
    fn a_backend_that_never_passed_is_known_to_be_down_after_fall_failures() {
        assert_eq!(verdicts(1, 2, "--"), [None, Some(Verdict::Down)]);
    }

    #[test]
    fn rise_counts_again_after_an_interruption() {
        assert_eq!(
            verdicts(2, 1, "-+-++"),
            [Some(Verdict::Down), None, None, None, Some(Verdict::Up)]
        );
    }

    /// `(` and `)` begin and end the grace.
    fn verdicts_with_grace(rise: u32, fall: u32, results: &str) -> Vec<Option<Verdict>> {
        let mut health = Health::new(Thresholds { rise, fall });
        let mut in_grace = false;
        let mut verdicts = Vec::new();
        for result in results.chars() {
            match result {
                '(' | ')' => in_grace = result == '(',
                _ if in_grace => verdicts.push(health.observe_in_grace(result == '+')),
                _ => verdicts.push(health.observe(result == '+')),
            }
        }
        verdicts
    }

    #[test]
    fn a_backend_that_has_not_been_up_is_not_down_before_the_grace_ends() {
        let down = Some(Verdict::Down);
        let table = [
            ("(----)-", vec![None, None, None, None, down]),
            ("(-)-", vec![None, down]),
            ("(----", vec![None; 4]),
        ];
        for (results, turned) in table {
            assert_eq!(verdicts_with_grace(1, 2, results), turned, "{results}");
        }
    }

    #[test]
    fn a_backend_that_has_been_up_is_down_in_the_grace_too() {
        let (up, down) = (Some(Verdict::Up), Some(Verdict::Down));
        let turned = vec![None, up, None, down, up];
        assert_eq!(verdicts_with_grace(1, 2, "(-+--+)"), turned);
    }

    #[test]
    fn passes_have_to_be_in_a_row_in_the_grace_too() {
        let turned = vec![None, None, None, Some(Verdict::Up)];
        assert_eq!(verdicts_with_grace(2, 1, "(+-++)"), turned);
    }

    #[test]
    fn probes_come_fast_until_the_verdict_is_up_and_uncontested() {
        let cadence = Cadence {
            interval: Duration::from_secs(5),
            fast_interval: Duration::from_secs(1),
        };
        let mut health = Health::new(Thresholds { rise: 1, fall: 2 });
        let mut waits = vec![health.wait(cadence)];
        for passed in [true, false, false, true] {
            health.observe(passed);
            waits.push(health.wait(cadence));
        }
        assert_eq!(
            waits.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [1, 5, 1, 1, 5]
        );
    }

    #[test]
    fn our_own_hosts_faults_are_excused_for_three_intervals_and_no_longer() {
        let interval = Duration::from_secs(5);
        let mut excuse = Excuse::new(interval);
        let start = Instant::now();
        assert_eq!(excuse.covers(start), Covered::ForTheFirstTime);
        assert_eq!(excuse.covers(start + 3 * interval), Covered::Again);
        let late = start + 3 * interval + Duration::from_millis(1);
        assert_eq!(excuse.covers(late), Covered::NoLonger);
        assert_eq!(excuse.covers(late + interval), Covered::NoLonger);
        assert!(excuse.ends());
        assert!(!excuse.ends());
        assert_eq!(excuse.covers(late), Covered::ForTheFirstTime);
    }

    #[test]
    fn an_excuse_does_not_overflow() {
        assert_eq!(Excuse::new(Duration::MAX).limit(), Duration::MAX);
    }

    #[test]
    fn jitter_does_not_overflow() {
        assert_eq!(jittered(Duration::MAX, 1.0), Duration::MAX);
    }

    proptest! {
        #[test]
        fn the_verdict_turns_exactly_when_the_last_results_agree_for_long_enough(
            rise in 1_u32..5, fall in 1_u32..5, results in prop::collection::vec(any::<bool>(), 0..60)
        ) {
            let mut health = Health::new(Thresholds { rise, fall });
            let mut verdict = None;
            for end in 1..=results.len() {
                let passed = results[end - 1];
                let run = results[..end].iter().rev().take_while(|other| **other == passed).count();
                let (points_to, needed) = if passed { (Verdict::Up, rise) } else { (Verdict::Down, fall) };
                let turned = verdict != Some(points_to) && run >= needed as usize;
                if turned { verdict = Some(points_to); }
                prop_assert_eq!(health.observe(passed), turned.then_some(points_to));
            }
        }

        #[test]
        fn jitter_stays_within_ten_percent(wait in 1_u64..1_000_000, random in 0.0..1.0) {
            let wait = Duration::from_micros(wait);
            let got = jittered(wait, random);
            prop_assert!(got >= wait.mul_f64(0.899) && got <= wait.mul_f64(1.101));
        }
    }
}
