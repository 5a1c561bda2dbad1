//! From a resource and a snapshot to the contents of its file.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::{debug, warn};

use crate::Str;
use crate::functions::FUNCTIONS;
use crate::guard::Guards;
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::template::value::Value;
use crate::template::{self, Delims, Template};

/// Why there are no contents.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RenderError {
    /// The template's file is not there.
    #[error("Missing template: {}", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("Unable to process template {}, {cause}", path.display())]
    Read {
        /// The template.
        path: PathBuf,
        /// As the system tells it.
        cause: Arc<io::Error>,
    },
    /// Go would not parse it.
    #[error("Unable to process template {}, {reason}", path.display())]
    Parse {
        /// The template.
        path: PathBuf,
        /// In Go's words.
        reason: String,
    },
    /// It stopped while executing, in Go's words.
    #[error("{0}")]
    Execute(String),
    /// `require` or `validate` of the resource cannot be used, or a required key is missing.
    #[error("{0}")]
    Guard(String),
}

/// Renders, and remembers what it has parsed and told.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    templates: HashMap<PathBuf, Parsed>,
    /// Keys whose values do not fit, by resource; each is told once.
    unfit: HashMap<PathBuf, BTreeSet<Str>>,
}

#[derive(Debug)]
struct Parsed {
    stamp: Stamp,
    delims: Delims,
    template: Arc<Template>,
}

/// Tells whether a file is still the one that was read.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Renderer {
    /// `prefix` is the one in force.
    pub(crate) fn render(
        &mut self,
        resource: &Resource,
        prefix: &str,
        snapshot: &Snapshot,
    ) -> Result<Vec<u8>, RenderError> {
        debug!("Retrieving keys from store");
        debug!("Key prefix set to {prefix}");
        let mut store = Store::select(snapshot, prefix, &resource.keys);
        self.guard(resource, &mut store)?;
        debug!("Using source template {}", resource.src.display());
        let template = self.template(&resource.src, &resource.delims)?;
        template
            .execute(&Value::Nil, &store, &template::Options::default())
            .map_err(|error| RenderError::Execute(error.to_string()))
    }

    fn guard(&mut self, resource: &Resource, store: &mut Store) -> Result<(), RenderError> {
        if resource.require.is_empty() && resource.validate.is_empty() {
            return Ok(());
        }
        let guards = Guards::parse(&resource.require, &resource.validate)
            .map_err(|error| RenderError::Guard(error.to_string()))?;
        let unfit: BTreeSet<_> = guards.validate(store).into_iter().collect();
        let told = self.unfit.entry(resource.file.clone()).or_default();
        for key in unfit.difference(told) {
            warn!(
                "{}: left {} out: its value does not fit what `validate` asks for",
                resource.dest.display(),
                String::from_utf8_lossy(key)
            );
        }
        *told = unfit;
        guards
            .require(store)
            .map_err(|error| RenderError::Guard(error.to_string()))
    }

    fn template(&mut self, path: &Path, delims: &Delims) -> Result<Arc<Template>, RenderError> {
        let read_error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RenderError::Missing(path.to_owned()),
            _ => RenderError::Read {
                path: path.to_owned(),
                cause: Arc::new(error),
            },
        };
        let stamp = Stamp::of(path).map_err(read_error)?;
        debug!("Compiling source template {}", path.display());
        if let Some(parsed) = self.templates.get(path)
            && parsed.stamp == stamp
            && parsed.delims == *delims
        {
            return Ok(Arc::clone(&parsed.template));
        }
        let text = fs::read(path).map_err(read_error)?;
        let template = Arc::new(parse(path, text, delims)?);
        let parsed = Parsed {
            stamp,
            delims: delims.clone(),
            template: Arc::clone(&template),
        };
        self.templates.insert(path.to_owned(), parsed);
        Ok(template)
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

/// Parses the template in `text`, which was read from `path`.
pub(crate) fn parse(path: &Path, text: Vec<u8>, delims: &Delims) -> Result<Template, RenderError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Template::parse(&name, text, delims, FUNCTIONS).map_err(|error| RenderError::Parse {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
