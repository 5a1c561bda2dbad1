//! The text of a check or reload command, with the names of the files filled in.

use std::collections::BTreeMap;
use std::path::Path;

use gotemplate::Str;
use gotemplate::Value;
use gotemplate::{Delims, Options, Template};

/// Whether a check is about the staged file.
pub(crate) fn names_staged_file(check: &str) -> bool {
    actions(check).any(|action| action.contains(".src"))
}

/// Whether the reloads of two files are not the same one.
pub(crate) fn names_a_file(reload: &str) -> bool {
    actions(reload).any(|action| matches!(action.trim(), ".src" | ".dest"))
}

/// Whether a check is another command for each file.
pub(crate) fn has_actions(check: &str) -> bool {
    check.contains("{{")
}

/// A check is a template, as in confd, whose dot has `src` and `dest`.
///
/// # Errors
/// In Go's words.
pub(crate) fn check(text: &str, staged: &Path, dest: &Path) -> Result<String, String> {
    let template = Template::parse(
        "checkcmd",
        text.as_bytes().to_vec(),
        &Delims::default(),
        &[],
    )
    .map_err(|error| error.to_string())?;
    let field = |path: &Path| Value::string(path.as_os_str().as_encoded_bytes().to_vec());
    let dot = BTreeMap::from([
        (Str::from("src"), field(staged)),
        (Str::from("dest"), field(dest)),
    ]);
    let filled = template
        .execute(&Value::map(dot), &(), &Options::default())
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&filled).into_owned())
}

/// A reload is run as it is, but for these two. By then the staged file has become the file.
pub(crate) fn reload(text: &str, dest: &Path) -> String {
    if !names_a_file(text) {
        return text.to_owned();
    }
    let dest = dest.to_string_lossy();
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}") {
            Some((name, tail)) if matches!(name.trim(), ".src" | ".dest") => {
                filled.push_str(&dest);
                rest = tail;
            }
            Some(_) | None => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// What stands between braces.
fn actions(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("}}")?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_knows_the_staged_file_and_the_file() {
        let check = |text| check(text, Path::new("/d/.a123"), Path::new("/d/a"));
        assert_eq!(
            check("test {{.src}} -nt {{.dest}}"),
            Ok("test /d/.a123 -nt /d/a".to_owned())
        );
        assert_eq!(
            check("x {{.src"),
            Err("template: checkcmd:1: unclosed action".to_owned())
        );
    }

    #[test]
    fn a_reload_is_taken_as_it_is_but_for_the_files_name() {
        let reload = |text| reload(text, Path::new("/d/a"));
        assert_eq!(reload("kill -HUP 7"), "kill -HUP 7");
        assert_eq!(reload("cp {{.src}} {{ .dest }}.bak"), "cp /d/a /d/a.bak");
        assert_eq!(
            reload("docker ps --format '{{.Names}}' # {{.dest}} {{"),
            "docker ps --format '{{.Names}}' # /d/a {{"
        );
    }

    #[test]
    fn only_a_check_that_names_the_staged_file_is_about_it() {
        assert!(names_staged_file("nginx -t -c {{ .src }}"));
        assert!(!names_staged_file("nginx -t -c {{.dest}}"));
        assert!(!names_staged_file("nginx -t # .src"));
    }
}
