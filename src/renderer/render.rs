//! From a resource and a snapshot to the contents of its file.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tracing::{debug, warn};

use crate::functions::{FUNCTIONS, Helpers};
use crate::guard::Guards;
use crate::mutex::lock;
use crate::part;
use crate::regular;
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::store::Store;
use gotemplate::Str;
use gotemplate::Value;
use gotemplate::{Delims, Limits, Options, Template};

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
    /// It made something else than `output_format` says.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file to write.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// `require` or `validate` of the resource cannot be used, or a required key is missing.
    #[error("{0}")]
    Guard(String),
}

/// Renders, and remembers what it has parsed and told.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    helpers: Helpers,
    options: Options,
    templates: Mutex<HashMap<PathBuf, Parsed>>,
    /// Keys whose values do not fit, by resource; each is told once.
    unfit: Mutex<HashMap<PathBuf, BTreeSet<Str>>>,
}

#[derive(Debug)]
struct Parsed {
    text: Vec<u8>,
    /// What it includes.
    parts: Vec<(String, Vec<u8>)>,
    delims: Delims,
    template: Arc<Template<Store>>,
}

impl Renderer {
    /// Its templates may call `helpers`, within these limits.
    pub(crate) fn new(helpers: Helpers, limits: Limits) -> Self {
        let options = Options {
            limits,
            ..Options::default()
        };
        Self {
            helpers,
            options,
            ..Self::default()
        }
    }

    /// `prefix` is the one in force.
    pub(crate) fn render(
        &self,
        resource: &Resource,
        prefix: &str,
        snapshot: &Snapshot,
    ) -> Result<Vec<u8>, RenderError> {
        debug!("Retrieving keys from store");
        debug!("Key prefix set to {prefix}");
        let mut store = Store::select(snapshot, prefix, &resource.keys);
        self.guard(resource, &mut store)?;
        debug!("Using source template {}", resource.src.display());
        let template = self.template(resource)?;
        let bytes = template
            .execute(&Value::Nil, &store, &self.options)
            .map_err(|error| RenderError::Execute(error.to_string()))?;
        if let Some(format) = resource.output_format {
            let of_format = |reason| RenderError::Format {
                path: resource.dest.clone(),
                reason,
            };
            format.check(&bytes).map_err(of_format)?;
        }
        Ok(bytes)
    }

    /// How many keys `validate` left out the last time.
    pub(crate) fn left_out(&self, resource: &Resource) -> usize {
        let unfit = lock(&self.unfit);
        unfit.get(&resource.file).map_or(0, BTreeSet::len)
    }

    fn guard(&self, resource: &Resource, store: &mut Store) -> Result<(), RenderError> {
        if resource.require.is_empty() && resource.validate.is_empty() {
            return Ok(());
        }
        let guards = Guards::parse(&resource.require, &resource.validate)
            .map_err(|error| RenderError::Guard(error.to_string()))?;
        let unfit: BTreeSet<_> = guards.validate(store).into_iter().collect();
        let told = lock(&self.unfit).insert(resource.file.clone(), unfit.clone());
        for key in unfit.difference(&told.unwrap_or_default()) {
            warn!(
                event = "value_left_out",
                "{}: left {} out: its value does not fit what `validate` asks for",
                resource.dest.display(),
                String::from_utf8_lossy(key).escape_debug()
            );
        }
        guards
            .require(store)
            .map_err(|error| RenderError::Guard(error.to_string()))
    }

    fn template(&self, resource: &Resource) -> Result<Arc<Template<Store>>, RenderError> {
        let path = &resource.src;
        let read_error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => RenderError::Missing(path.to_owned()),
            _ => RenderError::Read {
                path: path.to_owned(),
                cause: Arc::new(error),
            },
        };
        let text = regular::read(path).map_err(read_error)?;
        debug!("Compiling source template {}", path.display());
        if let Some(template) = self.parsed(resource, &text) {
            return Ok(template);
        }
        let (template, parts) = parse(resource, text.clone(), self.helpers)?;
        let template = Arc::new(template);
        let parsed = Parsed {
            text,
            parts,
            delims: resource.delims.clone(),
            template: Arc::clone(&template),
        };
        lock(&self.templates).insert(path.clone(), parsed);
        Ok(template)
    }

    /// What was parsed of the same text and the same parts.
    fn parsed(&self, resource: &Resource, text: &[u8]) -> Option<Arc<Template<Store>>> {
        let templates = lock(&self.templates);
        let parsed = templates.get(&resource.src)?;
        let mut parts = parsed.parts.iter();
        let is_same = parsed.text == text
            && parsed.delims == resource.delims
            && parts.all(|(name, text)| {
                let there = part::read(&resource.templates, name);
                there.is_ok_and(|there| there == *text)
            });
        is_same.then(|| Arc::clone(&parsed.template))
    }
}

/// With the texts of its parts.
type WithParts = (Template<Store>, Vec<(String, Vec<u8>)>);

/// Parses the resource's template, whose `text` was read.
pub(crate) fn parse(
    resource: &Resource,
    text: Vec<u8>,
    helpers: Helpers,
) -> Result<WithParts, RenderError> {
    let path = &resource.src;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut parts = Vec::new();
    let mut find = |name: &str| {
        let text = part::read(&resource.templates, name).map_err(|error| error.to_string())?;
        parts.push((name.to_owned(), text.clone()));
        Ok(text.into())
    };
    let delims = &resource.delims;
    let parsed = Template::parse_with_parts(&name, text, delims, FUNCTIONS, helpers, &mut find);
    let template = parsed.map_err(|error| RenderError::Parse {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    Ok((template, parts))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use std::fs;
    use std::thread;

    use super::*;

    #[test]
    fn an_edited_template_is_seen_even_if_its_length_and_time_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("templates")).unwrap();
        let toml = dir.path().join("a.toml");
        fs::write(&toml, "[template]\nsrc = \"a\"\ndest = \"/no/such/a\"\n").unwrap();
        let resource = Resource::load(&toml, dir.path()).unwrap();
        let renderer = Renderer::default();
        let time = fs::metadata(&toml).unwrap().modified().unwrap();
        for text in ["one", "two"] {
            fs::write(&resource.src, text).unwrap();
            let file = File::options().write(true).open(&resource.src).unwrap();
            file.set_modified(time).unwrap();
            let rendered = renderer.render(&resource, "/", &Snapshot::default());
            assert_eq!(rendered.unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn two_resources_with_one_template_share_what_was_parsed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("templates")).unwrap();
        fs::write(dir.path().join("templates/t"), "{{getv \"/a\"}}").unwrap();
        let resource = |name: &str| {
            let toml = dir.path().join(name);
            let text = format!("[template]\nsrc = \"t\"\ndest = \"/no/such/{name}\"\n");
            fs::write(&toml, text).unwrap();
            Resource::load(&toml, dir.path()).unwrap()
        };
        let (a, b) = (resource("a"), resource("b"));
        let renderer = Renderer::default();
        let template = |resource: &Resource| {
            let template = renderer.template(resource);
            template.unwrap()
        };
        let first = template(&a);
        let others = thread::scope(|scope| {
            [&a, &b].map(|resource| scope.spawn(|| template(resource)).join().unwrap())
        });
        assert!(others.iter().all(|other| Arc::ptr_eq(other, &first)));
    }
}
