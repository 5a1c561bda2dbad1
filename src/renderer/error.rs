//! Why a resource could not be brought in step.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something that could not be done to a file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {doing} {}: {cause}", path.display())]
pub struct FileError {
    /// `write`, `replace` and so on.
    pub doing: &'static str,
    /// What to.
    pub path: PathBuf,
    /// As the system tells it.
    pub cause: Arc<io::Error>,
}

impl FileError {
    /// For `map_err`.
    pub(crate) fn new(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self {
            doing,
            path,
            cause: Arc::new(cause),
        }
    }
}
