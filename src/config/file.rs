//! Settings in a file, as confd's `confd.toml` has them. A template resource serves as well: its
//! `[template]` table is passed over.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use toml::Value;

use super::etcd::Given;
use super::faults::Faults;
use super::secret;
use super::setting::Setting;
use crate::fault::{Fault, Place};

/// What the file holds. Names of settings do not depend on case; unknown ones are passed over.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    path: String,
    settings: BTreeMap<String, Value>,
}

impl SettingsFile {
    /// The one that `flag` names. A file that is not there is an empty one, unless it `must_exist`.
    pub(super) fn read(
        flag: &'static str,
        path: &Path,
        must_exist: bool,
        faults: &mut Faults,
    ) -> Self {
        let shown = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
                return Self::default();
            }
            Err(error) => {
                faults.add(Fault::of_value(flag, &shown, error));
                return Self::default();
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => Self {
                path: shown,
                settings: table
                    .into_iter()
                    .map(|(name, value)| (name.to_lowercase(), value))
                    .collect(),
            },
            Err(error) => {
                faults.add(Fault::of(place(shown, &text, &error), error.message()));
                Self::default()
            }
        }
    }

    pub(super) fn text(&self, name: &str, faults: &mut Faults) -> Option<String> {
        self.take(name, "a string", Value::as_str, faults)
            .map(str::to_owned)
    }

    pub(super) fn setting(&self, name: &str, faults: &mut Faults) -> Option<Setting> {
        Setting::given(self.place(name), self.text(name, faults))
    }

    pub(super) fn flag(&self, name: &str, faults: &mut Faults) -> Option<bool> {
        self.take(name, "true or false", Value::as_bool, faults)
    }

    pub(super) fn number(&self, name: &str, faults: &mut Faults) -> Option<i64> {
        self.take(name, "a whole number", Value::as_integer, faults)
    }

    pub(super) fn list(&self, name: &str, faults: &mut Faults) -> Option<Vec<String>> {
        let strings = |value: &Value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.as_str().map(str::to_owned)).collect()
        };
        self.take(name, "an array of strings", strings, faults)
    }

    /// What it says about etcd.
    pub(super) fn etcd(&self, faults: &mut Faults) -> Given {
        let nodes = self.list("nodes", faults).filter(|nodes| !nodes.is_empty());
        let password = self.text("password", faults);
        if password.is_some() {
            secret::warn_if_exposed("the password in", &self.path);
        }
        let mut setting = |name: &str| self.setting(name, faults);
        Given {
            endpoints: Setting::given(self.place("nodes"), nodes.map(|nodes| nodes.join(","))),
            user: setting("username"),
            password,
            ca: setting("client_cakeys"),
            cert: setting("client_cert"),
            key: setting("client_key"),
            skip_verify: self.flag("client_insecure", faults).map(Ok),
            ..Given::default()
        }
        .about_tls()
    }

    fn take<'a, T>(
        &'a self,
        name: &str,
        kind: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let value = self.settings.get(name)?;
        let converted = convert(value);
        if converted.is_none() {
            faults.add(Fault::sentence(self.place(name), format!("must be {kind}")));
        }
        converted
    }

    pub(super) fn place(&self, field: &str) -> Place {
        Place::File {
            path: self.path.clone(),
            line: None,
            field: Some(field.to_owned()),
        }
    }
}

fn place(path: String, text: &str, error: &toml::de::Error) -> Place {
    let before = |end| text.bytes().take(end);
    let line = error
        .span()
        .map(|span| 1 + before(span.start).filter(|byte| *byte == b'\n').count());
    Place::File {
        path,
        line,
        field: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (SettingsFile, Faults) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        let mut faults = Faults::default();
        let mut settings = SettingsFile::read("--config-file", file.path(), true, &mut faults);
        settings.path = "confd.toml".to_owned();
        (settings, faults)
    }

    #[test]
    fn names_do_not_depend_on_case_and_other_tables_are_passed_over() {
        let (file, mut faults) = read("Interval = 10\n[template]\nsrc = \"n.tmpl\"\n");
        assert_eq!(file.number("interval", &mut faults), Some(10));
        assert_eq!(file.text("prefix", &mut faults), None);
        assert_eq!(faults.to_string(), "");
    }

    #[test]
    fn a_setting_of_the_wrong_type_is_named() {
        let (file, mut faults) = read("nodes = \"http://10.0.0.1:2379\"\n");
        assert!(file.etcd(&mut faults).endpoints.is_none());
        assert_eq!(
            faults.to_string(),
            "confd.toml: nodes must be an array of strings"
        );
    }

    #[test]
    fn a_file_that_is_no_toml_is_named_with_its_line() {
        let (_, faults) = read("interval = 10\nprefix = \n");
        assert!(faults.to_string().contains(", line 2: "), "{faults}");
    }

    #[test]
    fn only_a_file_that_was_asked_for_must_be_there() {
        let mut faults = Faults::default();
        SettingsFile::read(
            "--config-file",
            Path::new("/does/not/exist"),
            false,
            &mut faults,
        );
        assert_eq!(faults.to_string(), "");
        SettingsFile::read(
            "--config-file",
            Path::new("/does/not/exist"),
            true,
            &mut faults,
        );
        assert_eq!(
            faults.to_string(),
            "--config-file \"/does/not/exist\": No such file or directory (os error 2)"
        );
    }
}
