//! From keys and values to a configuration file on disk, as confd does it.
//!
//! A [`Resource`](resource::Resource) says which template makes which file from which keys; a
//! [`Snapshot`](snapshot::Snapshot) holds the keys and their values; a [`Syncer`](sync::Syncer)
//! brings the files in step with it. Templates are Go's `text/template`, of the crate `gotemplate`. The crate knows nothing of where the keys come from, and blocks while commands
//! run.
//!
//! What a sync promises:
//!
//! - A file is replaced as a whole or not at all, and keeps its mode unless the resource has one.
//! - A reload only sees files of its group that have passed their checks; when one fails, the previous
//!   file is back. That holds also when the process is killed: the next sync puts it back.
//! - A reload that failed is owed, on disk, until it succeeds.
//! - Every command has a time limit. What it leaves running in the background is not waited for.
//! - Resources that share a reload, or a check of swapped-in files, are a [group](groups()). Groups may
//!   be brought in step side by side, each in a thread: a command that hangs keeps nobody but its own
//!   group, and not even a snapshot.
//! - At most four groups are rendered and staged at once, and at most 64 commands run; who comes first
//!   is served first.
//! - Who is told to stop starts nothing more, and undoes what is not checked to the end. A reload may
//!   end, unless it is killed in a [second stage](cancel::Cancel::kill).
//!
//! # Example
//!
//! ```
//! use std::fs;
//! use std::sync::Arc;
//!
//! use renderer::resource::Resource;
//! use renderer::snapshot::Snapshot;
//! use renderer::sync::{Synced, Syncer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! fs::create_dir(dir.path().join("templates"))?;
//! fs::write(
//!     dir.path().join("templates/upstream.tmpl"),
//!     "upstream apache {\n{{range getvs \"/apache/*\"}}  server {{.}};\n{{end}}}\n",
//! )?;
//! let file = dir.path().join("upstream.toml");
//! let dest = dir.path().join("upstream.conf");
//! fs::write(
//!     &file,
//!     format!(
//!         r#"
//!         [template]
//!         src = "upstream.tmpl"
//!         dest = {dest:?}
//!         prefix = "/services"
//!         keys = ["/apache"]
//!         check_cmd = "grep -q server {{{{.src}}}}"
//!         "#
//!     ),
//! )?;
//! let resource = Resource::load(&file, dir.path())?;
//!
//! let mut snapshot = Arc::new(Snapshot::default());
//! Arc::make_mut(&mut snapshot).put("/services/apache/1".into(), "10.0.0.5:7777".into());
//!
//! let syncer = Syncer::default();
//! for expected in [Synced::Updated, Synced::InStep] {
//!     for outcome in syncer.sync(&[&resource], Arc::clone(&snapshot), None) {
//!         assert_eq!(outcome.result?, expected);
//!     }
//! }
//! assert_eq!(
//!     fs::read_to_string(&dest)?,
//!     "upstream apache {\n  server 10.0.0.5:7777;\n}\n"
//! );
//!
//! // Without servers the file does not pass its check, and the last good one stays.
//! Arc::make_mut(&mut snapshot).delete(b"/services/apache/1");
//! for outcome in syncer.sync(&[&resource], Arc::clone(&snapshot), None) {
//!     let error = outcome.result.unwrap_err();
//!     assert_eq!(error.to_string(), "Config check failed: exit status 1");
//! }
//! assert!(fs::read_to_string(&dest)?.contains("10.0.0.5:7777"));
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod address;
mod backup;
pub mod cancel;
mod command;
mod compare;
mod confdir;
pub mod descriptors;
mod dests;
mod diff;
mod directory;
mod error;
mod format;
pub mod functions;
mod groups;
pub mod guard;
mod lint;
mod lock;
mod mutex;
pub mod options;
mod owed;
pub(crate) mod part;
mod permissions;
mod program;
mod recover;
mod regular;
mod render;
mod replace;
pub mod resource;
mod rivals;
mod slots;
pub mod snapshot;
mod soundness;
mod stage;
pub mod store;
mod swap;
pub mod sync;
pub mod table;
mod target;
pub mod transaction;
mod walk;
mod wording;

pub use command::CommandError;
pub use confdir::{Loading, load_again, load_all};
pub use error::FileError;
pub use gotemplate::Str;
pub use groups::groups;
pub use lint::{Defect, lint};
pub use permissions::UnknownOwner;
pub use program::started_by;
pub use render::RenderError;
