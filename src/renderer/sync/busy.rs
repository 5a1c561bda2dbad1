//! Files that are being worked on. Groups share none, unless a link leads to a file of another, or
//! `conf.d` was changed during a pass.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::error::FileError;
use crate::mutex::lock;
use crate::target::{Place, Target};

#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<Mutex<HashSet<Place>>>);

/// A file is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    busy: Busy,
    place: Option<Place>,
}

impl Busy {
    /// # Errors
    /// When somebody else has it.
    pub(super) fn claim(&self, target: &Target, dest: &Path) -> Result<Reserved, FileError> {
        let place = target.place();
        if let Some(place) = &place
            && !lock(&self.0).insert(place.clone())
        {
            let cause = io::Error::other("it is being replaced already");
            return Err(FileError::new("replace", dest)(cause));
        }
        let busy = self.clone();
        Ok(Reserved { busy, place })
    }

    /// Whether somebody has the file of that name beside the target.
    pub(super) fn has(&self, target: &Target, neighbour: &OsStr) -> bool {
        let place = target.place_of(neighbour);
        place.is_some_and(|place| lock(&self.0).contains(&place))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            lock(&self.busy.0).remove(place);
        }
    }
}
