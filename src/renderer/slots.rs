//! A limit on how many do something at once. Who comes first is served first.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread::{self, Thread};

use crate::cancel::Cancel;
use crate::mutex::lock;

/// So many may do it at once.
#[derive(Debug)]
pub(crate) struct Slots(Mutex<Counter>);

#[derive(Debug)]
struct Counter {
    free: usize,
    /// None of them is free while anybody waits.
    waiting: VecDeque<Thread>,
}

/// The right to do it, until dropped. Then it is the next one's who waits.
#[derive(Debug)]
pub(crate) struct Slot<'s>(&'s Slots);

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self(Mutex::new(Counter {
            free: count,
            waiting: VecDeque::new(),
        }))
    }

    /// Waits for one. None if `cancel` ended that.
    pub(crate) fn take(&self, cancel: Option<&Cancel>) -> Option<Slot<'_>> {
        if self.take_free() {
            return Some(Slot(self));
        }
        let _woken = cancel.map(Cancel::wake_us);
        let is_cancelled = || cancel.is_some_and(Cancel::is_cancelled);
        while self.are_waiting() {
            if is_cancelled() {
                self.leave();
                return None;
            }
            thread::park();
        }
        let slot = Slot(self);
        (!is_cancelled()).then_some(slot)
    }

    /// Otherwise we are in the queue.
    fn take_free(&self) -> bool {
        let mut counter = lock(&self.0);
        if counter.free == 0 {
            counter.waiting.push_back(thread::current());
            return false;
        }
        counter.free -= 1;
        true
    }

    /// Who is given a slot is out of the queue.
    fn are_waiting(&self) -> bool {
        lock(&self.0).place().is_some()
    }

    /// Passes on a slot that came at the last moment.
    fn leave(&self) {
        let mut counter = lock(&self.0);
        match counter.place() {
            Some(place) => drop(counter.waiting.remove(place)),
            None => counter.pass_on(),
        }
    }
}

impl Counter {
    /// Ours in the queue.
    fn place(&self) -> Option<usize> {
        let we = thread::current().id();
        self.waiting.iter().position(|thread| thread.id() == we)
    }

    fn pass_on(&mut self) {
        match self.waiting.pop_front() {
            Some(next) => next.unpark(),
            None => self.free += 1,
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.0.0).pass_on();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    /// Waits until so many wait for a slot.
    fn await_queue(slots: &Slots, length: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while lock(&slots.0).waiting.len() != length {
            assert!(Instant::now() < deadline, "never: {length} wait");
            thread::yield_now();
        }
    }

    #[test]
    fn who_comes_when_all_are_taken_waits_for_one_to_be_given_back() {
        let slots = Slots::new(2);
        let (one, other) = (slots.take(None), slots.take(None));
        thread::scope(|scope| {
            let third = scope.spawn(|| slots.take(None).is_some());
            await_queue(&slots, 1);
            assert!(!third.is_finished());
            drop(one);
            assert!(third.join().unwrap());
        });
        drop(other);
        assert_eq!(lock(&slots.0).free, 2);
    }

    #[test]
    fn who_came_first_is_served_first() {
        let slots = Slots::new(1);
        let taken = slots.take(None);
        let (served, order) = mpsc::channel();
        thread::scope(|scope| {
            for number in 0..10 {
                let (slots, served) = (&slots, served.clone());
                scope.spawn(move || {
                    let _slot = slots.take(None);
                    served.send(number).unwrap();
                });
                await_queue(slots, number + 1);
            }
            drop(taken);
        });
        drop(served);
        assert!(order.iter().eq(0..10));
    }

    #[test]
    fn cancelling_ends_the_wait_and_costs_no_slot() {
        let slots = Slots::new(1);
        let cancel = Cancel::new().unwrap();
        let taken = slots.take(None);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| slots.take(Some(&cancel)).is_some());
            await_queue(&slots, 1);
            cancel.cancel();
            assert!(!waiting.join().unwrap());
        });
        assert!(slots.take(Some(&cancel)).is_none(), "cancelled before");
        await_queue(&slots, 0);
        drop(taken);
        assert!(slots.take(None).is_some());
        assert_eq!(lock(&slots.0).free, 1);
    }

    #[test]
    fn no_slot_is_lost_when_waits_end_while_slots_are_given_back() {
        let slots = Slots::new(2);
        for _ in 0..200 {
            let cancel = Cancel::new().unwrap();
            let taken = [slots.take(None), slots.take(None)];
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| drop(slots.take(Some(&cancel))));
                }
                scope.spawn(|| cancel.cancel());
                drop(taken);
            });
            assert_eq!(lock(&slots.0).free, 2);
        }
    }
}
