//! confd's functions.

use crate::template::function::Function;

/// confd's 39 functions and ours.
pub static FUNCTIONS: &[Function] = &[];
