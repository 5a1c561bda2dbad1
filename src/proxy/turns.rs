//! When groups that are due begin: at once, side by side; or as confd does where it polls, one after
//! the other in the order of their files, so that its log lines come in that order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a group waits for the one before it: a command that hangs holds up no other for long.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Turns {
    one_by_one: bool,
    waiting: VecDeque<Vec<usize>>,
    last_began_at: Option<Instant>,
}

impl Turns {
    pub(super) fn new(one_by_one: bool) -> Self {
        Self {
            one_by_one,
            waiting: VecDeque::new(),
            last_began_at: None,
        }
    }

    /// Each of these is a group's resources.
    pub(super) fn line_up(&mut self, groups: Vec<Vec<usize>>) {
        self.waiting.extend(groups);
    }

    /// How many groups wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The resources of those that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> {
        self.waiting.iter().flatten().copied()
    }

    /// Takes out the group whose turn it is. `is_over`: whether the last that began has ended.
    pub(super) fn next(&mut self, is_over: bool, now: Instant) -> Option<Vec<usize>> {
        if self.one_by_one && !is_over && self.patient_until().is_some_and(|until| now < until) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.last_began_at = Some(now);
        Some(next)
    }

    /// When to ask [`Self::next`] again, at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.patient_until().filter(|_| !self.waiting.is_empty())
    }

    /// Forgets those that wait.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    fn patient_until(&self) -> Option<Instant> {
        Some(self.last_began_at? + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lined_up(one_by_one: bool) -> Turns {
        let mut turns = Turns::new(one_by_one);
        turns.line_up(vec![vec![0, 2], vec![1], vec![3]]);
        turns
    }

    #[test]
    fn side_by_side_nobody_waits() {
        let (mut turns, now) = (lined_up(false), Instant::now());
        let begun: Vec<_> = std::iter::from_fn(|| turns.next(false, now)).collect();
        assert_eq!(begun, [vec![0, 2], vec![1], vec![3]]);
        assert_eq!(turns.deadline(), None);
    }

    #[test]
    fn one_by_one_each_waits_for_the_one_before_but_not_for_long() {
        let (mut turns, now) = (lined_up(true), Instant::now());
        assert_eq!(turns.next(true, now), Some(vec![0, 2]));
        assert_eq!(turns.next(false, now), None);
        assert_eq!(turns.waiting().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(turns.next(true, now), Some(vec![1]));
        assert_eq!(turns.deadline(), Some(now + PATIENCE));
        assert_eq!(turns.next(false, now + PATIENCE), Some(vec![3]));
        assert_eq!(turns.next(true, now + PATIENCE), None);
        assert_eq!((turns.len(), turns.deadline()), (0, None));
    }

    #[test]
    fn those_of_an_earlier_conf_d_are_forgotten() {
        let (mut turns, now) = (lined_up(true), Instant::now());
        turns.clear();
        assert_eq!(turns.next(true, now), None);
    }
}
