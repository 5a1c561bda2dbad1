//! Collections that know how deeply they nest.

use std::mem;
use std::ops::Deref;

/// Enough stack for one more level, and how much to add when there is less.
pub(crate) const RED_ZONE: usize = 64 * 1024;
pub(crate) const STACK: usize = 1024 * 1024;

/// A collection of values. However deep, it is dropped without running out of stack.
#[derive(Debug)]
pub struct Nested<T: Default> {
    items: T,
    depth: u32,
}

impl<T: Default> Nested<T> {
    /// `items`, which nest `inner` deep.
    pub(super) fn new(items: T, inner: u32) -> Self {
        Self {
            items,
            depth: inner.saturating_add(1),
        }
    }

    /// How many collections there are inside each other, this one included.
    pub fn depth(&self) -> u32 {
        self.depth
    }
}

impl<T: Default> Deref for Nested<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.items
    }
}

impl<T: Default> Drop for Nested<T> {
    fn drop(&mut self) {
        if self.depth > 1 {
            let items = mem::take(&mut self.items);
            stacker::maybe_grow(RED_ZONE, STACK, || drop(items));
        }
    }
}
