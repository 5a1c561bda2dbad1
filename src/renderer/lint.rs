//! Every defect of a confdir that can be seen without its keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::confdir::{self, Loading};
use crate::guard::Guards;
use crate::permissions;
use crate::regular;
use crate::render;
use crate::resource::{Fault, LoadError, Loaded, Resource};
use crate::target::Target;
use crate::wording;

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// A template resource, or a template.
    pub file: PathBuf,
    /// What, and where.
    pub fault: Fault,
}

/// Looks at every template resource below `confdir`, and at the templates that they name.
#[must_use]
pub fn lint(confdir: &Path) -> Vec<Defect> {
    let (files, unread) = confdir::files(confdir);
    let mut defects: Vec<_> = unread.into_iter().flat_map(of_file).collect();
    let (mut loading, mut lines) = (Loading::default(), BTreeMap::new());
    for file in files {
        let mut loaded = Loaded::read(&file, confdir);
        let mut faults = std::mem::take(&mut loaded.faults);
        if let Some(resource) = &loaded.resource {
            faults.extend(faults_of(resource, &loaded));
            defects.extend(defects_of_template(resource, &loaded, &file));
        }
        defects.extend(faults.into_iter().map(|fault| Defect {
            file: file.clone(),
            fault,
        }));
        lines.insert(file, loaded.lines.get("dest").copied());
        loading.resources.extend(loaded.resource);
    }
    loading.refuse_same_dest(&lines);
    defects.extend(loading.errors.into_iter().flat_map(of_file));
    defects
}

fn of_file(error: LoadError) -> impl Iterator<Item = Defect> {
    let LoadError { file, faults, .. } = error;
    faults.into_iter().map(move |fault| Defect {
        file: file.clone(),
        fault,
    })
}

fn faults_of(resource: &Resource, loaded: &Loaded) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |field: &'static str, message: String, harmless: bool| {
        faults.push(Fault {
            line: loaded.lines.get(field).copied(),
            message,
            harmless,
        });
    };
    if let Some(Err(error)) = resource.owner.as_deref().map(permissions::uid) {
        add("owner", error.to_string(), false);
    }
    if let Some(Err(error)) = resource.group.as_deref().map(permissions::gid) {
        add("group", error.to_string(), false);
    }
    if let Err(error) = Guards::parse(&resource.require, &Default::default()) {
        add("require", error.to_string(), false);
    }
    if let Err(error) = Guards::parse(&[], &resource.validate) {
        add("validate", error.to_string(), false);
    }
    if let Some(check) = &resource.check_cmd
        && let Err(error) = wording::check(check, &resource.dest, &resource.dest)
    {
        add("check_cmd", error, false);
    }
    match Target::of(&resource.dest) {
        Ok(target) if target.dir().is_dir() => {}
        Ok(target) => {
            let dir = target.dir().display();
            add("dest", format!("there is no directory {dir}"), false);
        }
        Err(error) => add("dest", error.to_string(), false),
    }
    if resource.keys.is_empty() {
        add("keys", "no keys: the file never changes".to_owned(), true);
    }
    faults
}

fn defects_of_template(resource: &Resource, loaded: &Loaded, file: &Path) -> Option<Defect> {
    let text = match regular::read(&resource.src) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("template {}: {error}", resource.src.display());
            return Some(Defect {
                file: file.to_owned(),
                fault: Fault {
                    line: loaded.lines.get("src").copied(),
                    message,
                    harmless: false,
                },
            });
        }
    };
    let error = render::parse(&resource.src, text, &resource.delims).err()?;
    let message = error.to_string();
    Some(Defect {
        file: resource.src.clone(),
        fault: Fault {
            line: line_in(&message),
            message,
            harmless: false,
        },
    })
}

/// The line in Go's `template: NAME:LINE: …`.
fn line_in(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("template: ")?;
    rest.split(':').find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lines(confdir: &Path) -> Vec<String> {
        let defects = lint(confdir);
        let shown = defects.iter().map(|defect| {
            let file = defect.file.strip_prefix(confdir).unwrap();
            let line = defect
                .fault
                .line
                .map_or("-".to_owned(), |line| line.to_string());
            format!("{}:{line}: {}", file.display(), defect.fault.message)
        });
        shown.collect()
    }

    #[test]
    fn names_file_line_and_reason_of_each_defect() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("templates/a.tmpl", "one\n{{range getvs \"/a/*\"}}\n");
        write(
            "conf.d/a.toml",
            "[template]\nsrc = \"a.tmpl\"\ndest = \"/no/such/dir/a\"\nkeys = [\"/a\"]\n\
             owner = \"nobody-of-that-name\"\ncheck_cmd = \"x {{.src\"\nrequire = [\"[\"]\n",
        );
        write(
            "conf.d/b.toml",
            "[template]\nsrc = \"b.tmpl\"\ndest = \"/tmp/b\"\nkeys = [\"/b\"]\n",
        );
        write("conf.d/c.toml", "[template]\nsrc = 7\n");
        let lines = lines(dir.path());
        let expected = [
            "templates/a.tmpl:3: ",
            "conf.d/a.toml:5: there is no user \"nobody-of-that-name\"",
            "conf.d/a.toml:7: syntax error in pattern \"[\"",
            "conf.d/a.toml:6: template: checkcmd:1: unclosed action",
            "conf.d/a.toml:3: there is no directory /no/such/dir",
            "conf.d/b.toml:2: template ",
            "conf.d/c.toml:2: ",
            "conf.d/c.toml:-: empty dest",
        ];
        for start in expected {
            assert!(
                lines.iter().any(|line| line.starts_with(start)),
                "{start:?} in {lines:#?}"
            );
        }
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    }

    #[test]
    fn names_two_resources_with_one_dest_and_keys_that_are_patterns() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("conf.d")).unwrap();
        fs::create_dir(dir.path().join("templates")).unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("templates/t.tmpl"), "").unwrap();
        let resource = |name: &str, dest: &str, key: &str| {
            let dest = dir.path().join(dest);
            let text = format!("[template]\nsrc = \"t.tmpl\"\nkeys = [{key:?}]\ndest = {dest:?}\n");
            fs::write(dir.path().join("conf.d").join(name), text).unwrap();
        };
        resource("a.toml", "app", "/services/*");
        resource("b.toml", "sub/../app", "/b");
        resource("c.toml", "other", "/c");
        let lines = lines(dir.path());
        let expected = [
            "conf.d/a.toml:3: keys: \"/services/*\" is taken as it is, not as a pattern",
            "conf.d/b.toml:4: dest ",
        ];
        for start in expected {
            assert!(
                lines.iter().any(|line| line.starts_with(start)),
                "{start:?} in {lines:#?}"
            );
        }
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[1].contains("conf.d/a.toml already"), "{lines:#?}");
    }

    #[test]
    fn finds_nothing_wrong_with_a_sound_confdir() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::create_dir(dir.path().join("templates")).unwrap();
        fs::write(dir.path().join("templates/a.tmpl"), "{{getv \"/a\"}}").unwrap();
        let dest = dir.path().join("a");
        let text = format!("[template]\nsrc = \"a.tmpl\"\ndest = {dest:?}\nkeys = [\"/a\"]\n");
        fs::write(dir.path().join("conf.d/a.toml"), text).unwrap();
        assert_eq!(lint(dir.path()), []);
    }
}
