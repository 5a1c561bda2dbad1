//! From keys and values to a configuration file on disk, as confd does it.
//!
//! The crate knows nothing of where the keys come from.

#![warn(missing_docs)]

mod backup;
pub mod cancel;
mod command;
mod compare;
mod confdir;
mod diff;
mod error;
pub mod functions;
pub mod guard;
mod lint;
mod lock;
pub mod options;
mod owed;
mod permissions;
mod recover;
mod render;
pub mod resource;
pub mod snapshot;
mod stage;
pub mod store;
mod swap;
pub mod sync;
mod target;
pub mod template;
mod transaction;
mod wording;

pub use command::CommandError;
pub use confdir::load_all;
pub use error::FileError;
pub use lint::{Defect, lint};
pub use permissions::UnknownOwner;
pub use render::RenderError;

/// A string as Go has it: bytes, mostly UTF-8. Cheap to clone and to slice.
pub type Str = bytes::Bytes;
