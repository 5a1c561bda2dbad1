//! What is wrong with a resource that reads well, as far as it can be seen without its keys.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::functions::Helpers;
use crate::guard::Guards;
use crate::permissions;
use crate::regular;
use crate::render;
use crate::resource::{Fault, Loaded, Resource};
use crate::target::Target;
use crate::wording;

/// Owners that this host does not know.
pub(crate) fn faults_of_owner(resource: &Resource, loaded: &Loaded) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(Err(error)) = resource.owner.as_deref().map(permissions::uid) {
        faults.push(Fault::grave(loaded.line("owner"), error.to_string()));
    }
    if let Some(Err(error)) = resource.group.as_deref().map(permissions::gid) {
        faults.push(Fault::grave(loaded.line("group"), error.to_string()));
    }
    faults
}

/// All else.
pub(crate) fn faults_of(resource: &Resource, loaded: &Loaded) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |field: &'static str, message: String| {
        faults.push(Fault::grave(loaded.line(field), message));
    };
    if let Err(error) = Guards::parse(&resource.require, &Default::default()) {
        add("require", error.to_string());
    }
    if let Err(error) = Guards::parse(&[], &resource.validate) {
        add("validate", error.to_string());
    }
    if let Some(check) = &resource.check_cmd
        && let Err(error) = wording::check(check, &resource.dest, &resource.dest)
    {
        add("check_cmd", error);
    }
    match Target::of(&resource.dest) {
        Ok(target) if target.dir().is_dir() => {}
        Ok(target) => {
            let dir = target.dir().display();
            add("dest", format!("there is no directory {dir}"));
        }
        Err(error) => add("dest", error.to_string()),
    }
    if resource.keys.is_empty() {
        let fault = "no keys: the file never changes".to_owned();
        faults.push(Fault::warning(loaded.line("keys"), fault));
    }
    faults
}

/// Of its template, and in which file that is: the resource's own where there is no template.
pub(crate) fn fault_of_template(
    resource: &Resource,
    loaded: &Loaded,
    helpers: Helpers,
) -> Option<(PathBuf, Fault)> {
    let text = match regular::read(&resource.src) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("template {}: {error}", resource.src.display());
            let fault = Fault::grave(loaded.line("src"), message);
            return Some((resource.file.clone(), fault));
        }
    };
    let error = render::parse(resource, text, helpers).err()?;
    let message = error.to_string();
    let (name, line) = place_in(&message);
    let is_own = resource
        .src
        .file_name()
        .is_some_and(|own| Some(own) == name.map(OsStr::new));
    let file = match name {
        Some(part) if !is_own => resource.templates.join(part),
        _ => resource.src.clone(),
    };
    Some((file, Fault::grave(line, message)))
}

/// Name and line in Go's `template: NAME:LINE: …`. A name may have colons.
fn place_in(message: &str) -> (Option<&str>, Option<usize>) {
    let Some((_, rest)) = message.split_once("template: ") else {
        return (None, None);
    };
    let mut at = 0;
    for part in rest.split(':') {
        if let Ok(line) = part.parse() {
            return (
                rest.get(..at).map(|name| name.trim_end_matches(':')),
                Some(line),
            );
        }
        at += part.len() + 1;
    }
    (None, None)
}
