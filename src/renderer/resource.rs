//! A template resource: which template makes which file, from which keys.

mod debounce;
mod duration;
mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::debug;

pub use crate::format::OutputFormat;
use crate::regular;
pub use crate::table::Fault;
use crate::wording;
pub use debounce::Gathering;
use fields::Fields;
use gotemplate::Delims;
use gotemplate::library::path::join;

/// A check that takes longer has hung.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// A reload may wait for old workers.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The table `[template]` of a file below `conf.d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Where it was read from.
    pub file: PathBuf,
    /// The template's file.
    pub src: PathBuf,
    /// The directory of the parts that it may include.
    pub templates: PathBuf,
    /// The file to write.
    pub dest: PathBuf,
    /// What `keys` are relative to; begins with a slash.
    pub prefix: String,
    /// The keys to read, each with all keys below it.
    pub keys: Vec<String>,
    /// Owner by name.
    pub owner: Option<String>,
    /// Group by name.
    pub group: Option<String>,
    /// Owner by number, before `owner`.
    pub uid: Option<u32>,
    /// Group by number, before `group`.
    pub gid: Option<u32>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Must succeed for the new file to stay.
    pub check_cmd: Option<String>,
    /// After which it counts as failed.
    pub check_timeout: Duration,
    /// Whether a check that does not name the staged file runs with the file swapped in.
    pub check_swapped: bool,
    /// Runs when the file has changed.
    pub reload_cmd: Option<String>,
    /// After which it counts as failed.
    pub reload_timeout: Duration,
    /// From the end of one reload to the next pass.
    pub min_reload_interval: Option<Duration>,
    /// How changes are gathered, instead of as for all.
    pub debounce: Option<Gathering>,
    /// What the file must be for its reader.
    pub output_format: Option<OutputFormat>,
    /// Patterns each of which must match a key.
    pub require: Vec<String>,
    /// Patterns of keys, and of which kind their values must be.
    pub validate: BTreeMap<String, String>,
    /// What begins and ends an action of the template.
    pub delims: Delims,
}

impl Resource {
    /// Reads the resource in `file`, whose template is below `confdir`.
    ///
    /// # Errors
    /// When the file cannot be read, or something in it is wrong. Then every fault is named.
    pub fn load(file: &Path, confdir: &Path) -> Result<Self, LoadError> {
        debug!("Loading template resource from {}", file.display());
        let loaded = Loaded::read(file, confdir);
        let is_grave = |fault: &Fault| !fault.harmless;
        let grave = loaded.faults.into_iter().filter(is_grave);
        loaded
            .resource
            .ok_or_else(|| LoadError::new(file, grave.collect()))
    }

    /// The reload that it has in common with all resources that have the same. One that names a
    /// file is its own.
    #[must_use]
    pub fn shared_reload(&self) -> Option<&str> {
        let command = self.reload_cmd.as_deref()?;
        (!wording::names_a_file(command)).then_some(command)
    }

    /// The check of swapped-in files that it has in common with all resources that have the same. One
    /// that names a file is its own.
    #[must_use]
    pub fn shared_check(&self) -> Option<&str> {
        let command = self.check_cmd.as_deref()?;
        let is_shared = self.check_swapped && !wording::has_actions(command);
        is_shared.then_some(command)
    }
}

/// Why a file holds no template resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Cannot process template resource {} - {}{}", file.display(), listed(faults), stays(*.is_kept))]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// All that is wrong with it.
    pub faults: Vec<Fault>,
    /// What it held before stays in force.
    pub is_kept: bool,
}

impl LoadError {
    pub(crate) fn new(file: &Path, faults: Vec<Fault>) -> Self {
        Self {
            file: file.to_owned(),
            faults,
            is_kept: false,
        }
    }

    /// A line for each fault.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let file = self.file.display();
        self.faults
            .iter()
            .map(move |fault| format!("{file}: {fault}"))
    }
}

fn stays(is_kept: bool) -> &'static str {
    if is_kept {
        "; keeping its last good definition"
    } else {
        ""
    }
}

fn listed(faults: &[Fault]) -> String {
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
    faults.join("; ")
}

/// What became of reading a file: a resource if no fault forbids it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) resource: Option<Resource>,
    pub(crate) faults: Vec<Fault>,
    /// On which line each field is.
    pub(crate) lines: BTreeMap<&'static str, usize>,
}

impl Loaded {
    pub(crate) fn line(&self, field: &str) -> Option<usize> {
        self.lines.get(field).copied()
    }

    pub(crate) fn read(file: &Path, confdir: &Path) -> Self {
        let text = regular::read(file).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
        });
        match text {
            Ok(text) => Self::parse(&text, file, confdir),
            Err(error) => Self {
                resource: None,
                faults: vec![Fault::grave(None, error.to_string())],
                lines: BTreeMap::new(),
            },
        }
    }

    fn parse(text: &str, file: &Path, confdir: &Path) -> Self {
        let mut fields = Fields::parse(text);
        let resource = resource(&mut fields, file, confdir);
        let (faults, lines) = fields.finish();
        let sound = faults.iter().all(|fault| fault.harmless);
        Self {
            resource: resource.filter(|_| sound),
            faults,
            lines,
        }
    }
}

fn resource(fields: &mut Fields, file: &Path, confdir: &Path) -> Option<Resource> {
    let src = fields.required("src", "empty src template");
    let dest = fields.required("dest", "empty dest: name the file to write");
    let prefix = fields.string("prefix").unwrap_or_default();
    let delims = Delims::default();
    let resource = Resource {
        file: file.to_owned(),
        src: below(confdir, "templates", src.as_deref().unwrap_or_default()),
        templates: below(confdir, "templates", ""),
        dest: PathBuf::from(dest.as_deref().unwrap_or_default()),
        prefix: rooted(&prefix),
        keys: fields.table.strings("keys").unwrap_or_default(),
        owner: fields.string("owner"),
        group: fields.string("group"),
        uid: fields.id("uid"),
        gid: fields.id("gid"),
        mode: fields.mode("mode"),
        check_cmd: fields.string("check_cmd"),
        check_timeout: fields.duration("check_timeout").unwrap_or(CHECK_TIMEOUT),
        check_swapped: fields.table.boolean("check_swapped").unwrap_or(true),
        reload_cmd: fields.string("reload_cmd"),
        reload_timeout: fields.duration("reload_timeout").unwrap_or(RELOAD_TIMEOUT),
        min_reload_interval: fields.duration("min_reload_interval"),
        debounce: fields.debounce("debounce"),
        output_format: fields.output_format("output_format"),
        require: fields.table.strings("require").unwrap_or_default(),
        validate: fields
            .table
            .table_of_strings("validate")
            .unwrap_or_default(),
        delims: Delims {
            left: fields.string("left_delimiter").unwrap_or(delims.left),
            right: fields.string("right_delimiter").unwrap_or(delims.right),
        },
    };
    fields.table.warn_of_unknown();
    for key in resource
        .keys
        .iter()
        .filter(|key| key.contains(['*', '?', '[']))
    {
        fields.table.warn_about(
            "keys",
            format!(
                "keys: {key:?} is taken as it is, not as a pattern: name what the keys begin with"
            ),
        );
    }
    (src.is_some() && dest.is_some()).then_some(resource)
}

/// `path` below the directory `name` of `confdir`, cleaned; never beside it by being absolute.
pub(crate) fn below(confdir: &Path, name: &str, path: &str) -> PathBuf {
    let confdir = confdir.as_os_str().as_bytes();
    let joined = join(&[confdir, name.as_bytes(), path.as_bytes()]);
    PathBuf::from(OsStr::from_bytes(&joined))
}

/// With the slash that a prefix begins with.
pub(crate) fn rooted(prefix: &str) -> String {
    if prefix.starts_with('/') {
        prefix.to_owned()
    } else {
        format!("/{prefix}")
    }
}
