//! What the documents promise.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use register::cli::Cli;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_readme_lists_every_flag_and_its_default() {
    let readme = read("README.md");
    for argument in Cli::command().get_arguments() {
        let Some(flag) = argument.get_long() else {
            continue;
        };
        if ["help", "version"].contains(&flag) {
            continue;
        }
        let row = readme
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`--{flag}")));
        let row = row.unwrap_or_else(|| panic!("the README lacks --{flag}"));
        for default in argument.get_default_values() {
            let default = default.to_string_lossy();
            assert!(
                default == "false" || row.contains(&format!("`{default}`")),
                "--{flag}: {row}"
            );
        }
    }
}

#[test]
fn the_readmes_unit_is_the_shipped_one() {
    let readme = read("README.md");
    let shown = readme
        .split("```ini\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let shipped = read("units/templates/apache-discovery@.service");
    let directives = |text: &str| -> Vec<String> {
        let text = text.split("[X-Fleet]").next().unwrap();
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(directives(shown), directives(&shipped));
}
