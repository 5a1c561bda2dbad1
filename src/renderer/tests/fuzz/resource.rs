//! Arbitrary files below `conf.d`.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use renderer::lint;
use renderer::resource::Resource;

use crate::damage::damaged;

const FIELDS: &[&str] = &[
    "src",
    "dest",
    "prefix",
    "keys",
    "owner",
    "group",
    "uid",
    "gid",
    "mode",
    "check_cmd",
    "check_timeout",
    "check_swapped",
    "reload_cmd",
    "reload_timeout",
    "require",
    "validate",
    "left_delimiter",
    "right_delimiter",
    "template.src",
    "\"odd \\u0000 name\"",
];

const VALUES: &[&str] = &[
    "\"\"",
    "\"a\"",
    "'../../etc/passwd'",
    "\"\"\"\na\\\n  b\"\"\"",
    "\"0644\"",
    "\"0o7777\"",
    "\"é\\u0000\"",
    "\"30s\"",
    "\"99999999999999999999h\"",
    "0",
    "-1",
    "0x7fffffffffffffff",
    "99999999999999999999",
    "1e400",
    "nan",
    "true",
    "1979-05-27T07:32:00Z",
    "[]",
    "[\"/services\", '/a*']",
    "[\"/services\", 1, [[]]]",
    "{}",
    "{ \"/a/*\" = \"address\", \"/[\" = 'regex:(' }",
];

const PIECES: &[&str] = &[
    "\"",
    "'",
    "[",
    "]",
    "[[template]]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "#",
    "\\",
    "\r",
    "\u{feff}",
];

fn files() -> impl Strategy<Value = Vec<u8>> {
    let field =
        (select(FIELDS), select(VALUES)).prop_map(|(name, value)| format!("{name} = {value}\n"));
    let table = select(&["[template]\n", "[template]\nsrc = 'a'\ndest = '/b'\n", ""][..]);
    let whole =
        (table, vec(field, 0..8)).prop_map(|(table, fields)| table.to_owned() + &fields.concat());
    damaged(whole, PIECES)
}

proptest! {
    #[test]
    fn a_file_is_a_resource_or_every_fault_is_named(text in files()) {
        let confdir = tempfile::tempdir()?;
        let file = confdir.path().join("conf.d/a.toml");
        fs::create_dir(confdir.path().join("conf.d"))?;
        fs::write(&file, &text)?;

        match Resource::load(&file, confdir.path()) {
            Ok(resource) => {
                prop_assert!(resource.prefix.starts_with('/'));
                // Below the templates, unless it climbs: confd lets it, too.
                let templates = confdir.path().join("templates");
                let climbs = text.windows(2).any(|pair| pair == b"..");
                prop_assert!(climbs || resource.src.starts_with(templates));
                prop_assert!(resource.mode.is_none_or(|mode| mode <= 0o777));
            }
            Err(error) => {
                let lines = text.split(|&byte| byte == b'\n').count();
                prop_assert!(!error.faults.is_empty());
                for fault in error.faults {
                    prop_assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)));
                    let told = lint(confdir.path(), &[]).into_iter().any(|defect| defect.fault == fault);
                    prop_assert!(told, "only loading finds {fault}");
                }
            }
        }
    }
}
