//! What threads share is locked for moments only, and no lock is held where something can break down.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The contents, whatever became of who had them before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
