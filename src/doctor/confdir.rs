//! The proxy side's directory: what `render lint` says, and whether commands can be started.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use renderer::resource::Resource;
use renderer::{Defect, started_by};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::finding::Finding;
use super::path;
use crate::proxy::helpers::HELPERS;
use crate::wording;

/// A file system that is far away may hang.
const LIMIT: Duration = Duration::from_secs(10);

/// Its resources besides, as far as they can be read.
pub(super) async fn examine(confdir: &Path) -> (Vec<Finding>, Vec<Resource>) {
    let name = format!("confdir {}", confdir.display());
    let confdir = confdir.to_owned();
    let looked = timeout(LIMIT, spawn_blocking(move || look(&confdir))).await;
    let failed =
        |what: String, advice: &str| (vec![Finding::fault(&name, what, advice)], Vec::new());
    match looked {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => failed(
            error.to_string(),
            "see what this host lacks: processes, memory",
        ),
        Err(_) => {
            let limit = wording::duration(LIMIT);
            failed(
                format!("not read within {limit}"),
                "see whether its file system hangs",
            )
        }
    }
}

fn look(confdir: &Path) -> (Vec<Finding>, Vec<Resource>) {
    let resources = renderer::load_all(confdir).resources;
    let defects = renderer::lint(confdir, HELPERS);
    let mut findings: Vec<_> = defects.iter().map(of_defect).collect();
    if findings.is_empty() {
        findings.push(sound(confdir, resources.len()));
    }
    findings.extend(resources.iter().flat_map(of_commands));
    (findings, resources)
}

fn sound(confdir: &Path, count: usize) -> Finding {
    let name = format!("confdir {}", confdir.display());
    match count {
        0 => Finding::warning(
            name,
            "holds no template resource",
            "put a TOML file into its conf.d, or name another --confdir",
        ),
        1 => Finding::ok(name, "1 resource is sound"),
        count => Finding::ok(name, format!("{count} resources are sound")),
    }
}

fn of_defect(defect: &Defect) -> Finding {
    let line = defect
        .fault
        .line
        .map_or(String::new(), |line| format!(":{line}"));
    let name = format!("confdir {}{line}", defect.file.display());
    let advice = "correct the file; register render lint looks at it again";
    if defect.fault.harmless {
        Finding::warning(name, &defect.fault.message, advice)
    } else {
        Finding::fault(name, &defect.fault.message, advice)
    }
}

fn of_commands(resource: &Resource) -> Vec<Finding> {
    let commands = [
        ("check_cmd", &resource.check_cmd),
        ("reload_cmd", &resource.reload_cmd),
    ];
    let programs = commands.into_iter().filter_map(|(field, command)| {
        let program = started_by(command.as_deref()?)?;
        Some((
            format!("resource {}: {field}", resource.file.display()),
            program,
        ))
    });
    let path = env::var_os("PATH").unwrap_or_default();
    let findings =
        programs.map(|(name, program)| of_program(name, program, path::find(program, &path)));
    findings.collect()
}

/// What else a command says is nobody's business.
fn of_program(name: String, program: &str, found: Option<PathBuf>) -> Finding {
    match found {
        Some(file) => Finding::ok(name, format!("starts {}", file.display())),
        None => Finding::fault(
            name,
            format!("there is no program {program}"),
            "install it or give its path; the PATH of the service may be another than this one",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::finding::FindingState;
    use super::*;

    fn found(fields: &str) -> Vec<(FindingState, String)> {
        let directory = tempfile::tempdir().expect("directory");
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("conf.d")).expect("created");
        fs::create_dir(path("templates")).expect("created");
        fs::write(path("templates/a.tmpl"), "").expect("written");
        let dest = path("a");
        let text =
            format!("[template]\nsrc = 'a.tmpl'\ndest = {dest:?}\nkeys = ['/a']\n{fields}\n");
        fs::write(path("conf.d/a.toml"), text).expect("written");
        let (findings, _) = look(directory.path());
        let findings = findings.into_iter();
        findings
            .map(|finding| (finding.state, finding.message))
            .collect()
    }

    #[test]
    fn a_sound_directory_is_one_line_and_each_command_another() {
        let shell = path::find("sh", &env::var_os("PATH").expect("a path")).expect("a shell");
        assert_eq!(
            found("reload_cmd = 'sh -c secret'\ncheck_cmd = 'no-such-program -t'"),
            [
                (FindingState::Ok, "1 resource is sound".to_owned()),
                (
                    FindingState::Fault,
                    "there is no program no-such-program".to_owned()
                ),
                (FindingState::Ok, format!("starts {}", shell.display())),
            ]
        );
    }

    #[test]
    fn each_defect_is_a_line() {
        let states: Vec<_> = found("mode = 'x'\nsurprise = 1")
            .into_iter()
            .map(|(state, _)| state)
            .collect();
        assert_eq!(states, [FindingState::Fault, FindingState::Warning]);
    }
}
