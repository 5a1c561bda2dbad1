//! Every defect of a confdir that can be seen without its keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::confdir::{self, Loading};
use crate::functions::Helpers;
use crate::resource::{Fault, LoadError, Loaded};
use crate::rivals::{Rival, rivals};
use crate::soundness;

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// A template resource, or a template.
    pub file: PathBuf,
    /// What, and where.
    pub fault: Fault,
}

/// Looks at every template resource below `confdir`, and at the templates that they name, which may call
/// `helpers`.
#[must_use]
pub fn lint(confdir: &Path, helpers: Helpers) -> Vec<Defect> {
    let (files, unread) = confdir::files(confdir);
    let mut defects: Vec<_> = unread.into_iter().flat_map(of_file).collect();
    let mut loading = Loading::default();
    let (mut lines, mut dest_lines) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        let mut loaded = Loaded::read(&file, confdir);
        let mut faults = std::mem::take(&mut loaded.faults);
        if let Some(resource) = &loaded.resource {
            faults.extend(soundness::faults_of_owner(resource, &loaded));
            faults.extend(soundness::faults_of(resource, &loaded));
            let of_template = soundness::fault_of_template(resource, &loaded, helpers);
            defects.extend(of_template.map(|(file, fault)| Defect { file, fault }));
        }
        defects.extend(faults.into_iter().map(|fault| Defect {
            file: file.clone(),
            fault,
        }));
        dest_lines.insert(file.clone(), loaded.line("dest"));
        lines.insert(file, loaded.lines);
        loading.resources.extend(loaded.resource);
    }
    loading.refuse_same_dest(&dest_lines, &[]);
    defects.extend(loading.errors.into_iter().flat_map(of_file));
    defects.extend(rivals(&loading.resources).into_iter().map(|rival| {
        let line = lines
            .get(&rival.file)
            .and_then(|lines| lines.get(rival.field));
        of_rival(rival, line.copied())
    }));
    defects
}

fn of_file(error: LoadError) -> impl Iterator<Item = Defect> {
    let LoadError { file, faults, .. } = error;
    faults.into_iter().map(move |fault| Defect {
        file: file.clone(),
        fault,
    })
}

fn of_rival(rival: Rival, line: Option<usize>) -> Defect {
    Defect {
        file: rival.file,
        fault: Fault::warning(line, rival.message),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lines(confdir: &Path) -> Vec<String> {
        let defects = lint(confdir, &[]);
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

    /// What is said of resources with these lines, in files called `0.toml` and so on.
    fn said_of(resources: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("conf.d")).unwrap();
        fs::create_dir(dir.path().join("templates")).unwrap();
        fs::write(dir.path().join("templates/t.tmpl"), "").unwrap();
        for (number, fields) in resources.iter().enumerate() {
            let dest = dir.path().join(number.to_string());
            let text = format!(
                "[template]\nsrc = \"t.tmpl\"\nkeys = [\"/a\"]\ndest = {dest:?}\n{fields}\n"
            );
            fs::write(dir.path().join(format!("conf.d/{number}.toml")), text).unwrap();
        }
        let confdir = dir.path().display().to_string();
        let lines = lines(dir.path()).into_iter();
        lines.map(|line| line.replace(&confdir, "@DIR@")).collect()
    }

    #[test]
    fn names_two_groups_that_start_the_same_program() {
        assert_eq!(
            said_of(&[
                "check_cmd = 'true'\nreload_cmd = 'sudo nginx -s reload'",
                "check_cmd = '/usr/sbin/nginx -t -c {{.src}}'",
                "reload_cmd = 'systemctl reload nginx.service'",
            ]),
            [
                "conf.d/1.toml:5: check_cmd: nginx is started by reload_cmd of \
                 @DIR@/conf.d/0.toml as well, perhaps at the same moment: give both the same \
                 reload_cmd, or the same check_cmd, that names no file",
                "conf.d/2.toml:5: reload_cmd: nginx is started by reload_cmd of \
                 @DIR@/conf.d/0.toml as well, perhaps at the same moment: give both the same \
                 reload_cmd, or the same check_cmd, that names no file",
            ]
        );
    }

    #[test]
    fn one_group_may_start_a_program_as_often_as_it_likes_and_so_may_checks_of_staged_files() {
        for resources in [
            ["check_cmd = 'nginx -t'\nreload_cmd = 'nginx -s reload'"; 2],
            [
                "check_cmd = 'nginx -t'\nreload_cmd = 'nginx -s reload'",
                "check_cmd = 'nginx -t'\nreload_cmd = 'nginx -s reopen'",
            ],
            ["check_cmd = 'visudo -cf {{.src}}'"; 2],
            [
                "reload_cmd = 'systemctl reload a'",
                "reload_cmd = 'systemctl reload b'",
            ],
            ["check_cmd = 'test -e /'", "reload_cmd = 'test -e /'"],
        ] {
            assert_eq!(said_of(&resources), [""; 0]);
        }
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
        assert_eq!(lint(dir.path(), &[]), []);
    }
}
