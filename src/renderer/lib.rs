//! From keys and values to a configuration file on disk, as confd does it.
//!
//! The crate knows nothing of where the keys come from.

#![warn(missing_docs)]

pub mod functions;
pub mod guard;
pub mod snapshot;
pub mod store;
pub mod template;

/// A string as Go has it: bytes, mostly UTF-8. Cheap to clone and to slice.
pub type Str = bytes::Bytes;
