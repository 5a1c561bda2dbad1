//! What the documents promise.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use gotemplate::{Delims, Function, Options, Template, Value};
use regex_lite::Regex;
use register::cli::Cli;
use register::proxy::data;
use register::proxy::helpers::HELPERS;
use renderer::functions::FUNCTIONS;
use renderer::store::Store;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What stands below a heading of the README.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    section.split("\n## ").next().unwrap().to_owned()
}

fn assert_lists_every_flag(section: &str, command: &clap::Command) {
    for argument in command.get_arguments() {
        let Some(flag) = argument.get_long() else {
            continue;
        };
        if ["help", "version"].contains(&flag) {
            continue;
        }
        let row = section
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
fn the_readme_lists_every_flag_and_its_default() {
    let cli = Cli::command();
    assert_lists_every_flag(&section("Flags"), &cli);
    let render = cli.find_subcommand("render").unwrap();
    assert_lists_every_flag(&section("The proxy side"), render);
}

#[test]
fn the_page_of_the_services_file_lists_every_field() {
    let page = read("docs/host-agent.md");
    let (_, table) = page.split_once("\n## Fields\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let listed: BTreeSet<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|row| quoted(row.split('|').nth(1).unwrap(), '`'))
        .map(str::to_owned)
        .collect();
    let cli = Cli::command();
    let without = [
        "config",
        "once",
        "log-format",
        "log-level",
        "quiet",
        "help",
        "version",
    ];
    let flags = cli.get_arguments().filter_map(clap::Arg::get_long);
    let flags = flags.filter(|flag| !without.contains(flag));
    let mut fields: BTreeSet<_> = flags.map(register::fault::field_of).collect();
    fields.extend(["checks", "pass", "drained"].map(str::to_owned));
    assert_eq!(listed, fields);
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

#[test]
fn the_readmes_rust_is_part_of_the_crates_tested_example() {
    let readme = read("README.md");
    let shown = readme.split("```rust\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let tested = read("src/gotemplate/lib.rs").replace("//! ", "");
    assert!(tested.contains(shown), "{shown}");
}

#[test]
fn contributors_are_sent_to_files_that_there_are() {
    let page = read("CONTRIBUTING.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_path = |word: &&str| {
        ["src/", "tests/", "docs/", "fuzz/"]
            .iter()
            .any(|start| word.starts_with(start))
            && !word.contains(' ')
    };
    let paths: Vec<_> = quoted(&page, '`').filter(is_path).collect();
    assert!(paths.len() > 25, "{paths:?}");
    for path in paths {
        assert!(root.join(path).exists(), "there is no {path}");
    }
}

#[test]
fn every_difference_from_confd_names_a_test_that_exists() {
    let page = read("docs/confd.md");
    let (_, table) = page.split_once("## Where it differs on purpose").unwrap();
    assert_names_tests(table.split("\n## ").next().unwrap());
}

#[test]
fn every_danger_names_a_test_that_exists() {
    assert_names_tests(&read("docs/security.md"));
}

/// In the last column of the page's tables.
fn assert_names_tests(page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources_below(&root.join("src")) + &sources_below(&root.join("tests"));
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let named: Vec<_> = rows
        .filter_map(|row| row.rsplit('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for test in named {
        assert!(
            sources.contains(&format!("fn {test}(")),
            "there is no test {test}"
        );
    }
}

/// A row of docs/templates.md.
struct Example {
    function: String,
    template: String,
    result: String,
}

fn examples(page: &str) -> Vec<Example> {
    let row = Regex::new(r"(?m)^\| `(\w+)[^`]*` \| .* \| `(.*)` \| `(.*)` \|$").unwrap();
    let rows = row.captures_iter(page).map(|cells| Example {
        function: cells[1].to_owned(),
        template: cells[2].replace("\\|", "|"),
        result: cells[3].to_owned(),
    });
    rows.collect()
}

#[test]
fn the_page_of_templates_has_every_function_in_a_row_that_reads_well() {
    let page = read("docs/templates.md");
    let examples = examples(&page);
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(examples.len(), rows.count());
    let listed = examples.iter().map(|example| example.function.as_str());
    let confds = FUNCTIONS.iter().map(Function::signature);
    let helpers = HELPERS.iter().map(Function::signature);
    let known = confds.chain(helpers).map(|function| function.name);
    assert_eq!(listed.collect::<BTreeSet<_>>(), known.collect());
}

#[test]
fn every_example_of_the_page_of_templates_gives_what_stands_beside_it() {
    let page = read("docs/templates.md");
    let keys = page.split("```json\n").nth(1).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), keys.split("```").next().unwrap()).unwrap();
    let snapshot = data::read(file.path()).unwrap();
    let store = Store::select(&snapshot, "", &["/".to_owned()]);
    for Example {
        function,
        template: text,
        result,
    } in examples(&page)
    {
        assert!(text.contains(&function), "{function}: {text}");
        let template =
            Template::parse_with("t", text.clone(), &Delims::default(), FUNCTIONS, HELPERS);
        let made = template
            .unwrap()
            .execute(&Value::Nil, &store, &Options::default());
        let made = String::from_utf8(made.unwrap()).unwrap();
        assert_eq!(made, result, "{text}");
    }
}

/// What stands between quotes of this kind.
fn quoted(text: &str, quote: char) -> impl Iterator<Item = &str> {
    text.split(quote).skip(1).step_by(2)
}

/// The names in the first column of the tables of docs/events.md.
fn listed_events() -> BTreeSet<String> {
    let page = read("docs/events.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap(), '`'));
    names.map(str::to_owned).collect()
}

#[test]
fn every_line_of_the_log_names_its_event_and_the_page_lists_them_all() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // confd's lines are never JSON.
    let confd = fs::read_to_string(source.join("proxy/confd.rs")).unwrap();
    let source = sources_below(&source).replace(&confd, "");
    let call = r#"\b(?:(info|warn|error)|debug)!\(\s*(?:event = "([a-z_]+)")?[^\n]*"#;
    // The last words are no call of these.
    let mut events = BTreeSet::from(["failed".to_owned()]);
    for call in Regex::new(call).unwrap().captures_iter(&source) {
        let event = call.get(2).map(|name| name.as_str().to_owned());
        let may_lack = call.get(1).is_none();
        assert!(may_lack || event.is_some(), "no event: {}", &call[0]);
        events.extend(event);
    }
    assert_eq!(events, listed_events());
}

#[test]
fn tests_look_for_events_that_there_are() {
    let tests = sources_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let listed = listed_events();
    let by_name = r"\.(?:events|said|order_of|wait_for_event)\(([^)]*)";
    let with_detail = r#"\.(?:said|wait_for_event)_with\(\s*("[^"]*")"#;
    let looks = Regex::new(&format!("{by_name}|{with_detail}")).unwrap();
    let found = looks.captures_iter(&tests);
    let texts = found.filter_map(|found| found.get(1).or(found.get(2)));
    let named: Vec<_> = texts.flat_map(|text| quoted(text.as_str(), '"')).collect();
    assert!(named.len() > 50, "{named:?}");
    for name in named {
        assert!(listed.contains(name), "there is no event {name}");
    }
}

fn sources_below(directory: &Path) -> String {
    let entries = fs::read_dir(directory).unwrap();
    let texts = entries.map(|entry| {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => sources_below(&path),
            Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
            Some(_) | None => String::new(),
        }
    });
    texts.collect()
}
