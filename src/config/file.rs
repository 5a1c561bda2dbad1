//! Settings in a file, as confd's `confd.toml` has them. A template resource serves as well: its
//! `[template]` table is passed over.

use std::fs;
use std::io;
use std::path::Path;

use renderer::table::Table;

use super::etcd::Given;
use super::faults::Faults;
use super::secret;
use super::setting::Setting;
use crate::fault::{Fault, Place};

/// What the file holds; each setting is read once. Unknown ones are passed over.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    path: String,
    settings: Table,
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
        match Table::parse(&text) {
            Ok(settings) => Self {
                path: shown,
                settings,
            },
            Err(fault) => {
                let place = Place::File {
                    path: shown,
                    line: fault.line,
                    field: None,
                };
                faults.add(Fault::of(place, fault.message));
                Self::default()
            }
        }
    }

    pub(super) fn text(&mut self, name: &'static str, faults: &mut Faults) -> Option<String> {
        self.take(|settings| settings.string(name), faults)
    }

    pub(super) fn setting(&mut self, name: &'static str, faults: &mut Faults) -> Option<Setting> {
        let text = self.text(name, faults);
        Setting::given(self.place(Some(name)), text)
    }

    pub(super) fn flag(&mut self, name: &'static str, faults: &mut Faults) -> Option<bool> {
        self.take(|settings| settings.boolean(name), faults)
    }

    pub(super) fn number(&mut self, name: &'static str, faults: &mut Faults) -> Option<i64> {
        self.take(|settings| settings.integer(name, "a whole number"), faults)
    }

    /// Endpoints of etcd, if there are any, and where they are given.
    pub(super) fn nodes(&mut self, faults: &mut Faults) -> Option<(Place, Vec<String>)> {
        let nodes = self.take(|settings| settings.strings("nodes"), faults)?;
        let place = self.place(Some("nodes"));
        Some((place, nodes)).filter(|(_, nodes)| !nodes.is_empty())
    }

    /// What it says about etcd, but for nodes that have been read.
    pub(super) fn etcd(&mut self, faults: &mut Faults) -> Given {
        let nodes = self.nodes(faults);
        let password = self.text("password", faults);
        if password.is_some() {
            secret::warn_if_exposed("the password in", &self.path);
        }
        let mut setting = |name| self.setting(name, faults);
        Given {
            endpoints: nodes.map(|(place, nodes)| Setting {
                place,
                value: nodes.join(","),
            }),
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

    /// What is wrong with a setting, too. What is odd is not worth a word.
    fn take<T>(
        &mut self,
        read: impl FnOnce(&mut Table) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let value = read(&mut self.settings);
        let found = self.settings.take_faults().into_iter();
        for fault in found.filter(|fault| !fault.harmless) {
            faults.add(Fault::of(self.place(None), fault.message));
        }
        value
    }

    fn place(&self, field: Option<&str>) -> Place {
        Place::File {
            path: self.path.clone(),
            line: None,
            field: field.map(str::to_owned),
        }
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
        let (mut file, mut faults) = read("Interval = 10\n[template]\nsrc = \"n.tmpl\"\n");
        assert_eq!(file.number("interval", &mut faults), Some(10));
        assert_eq!(file.text("prefix", &mut faults), None);
        assert_eq!(faults.to_string(), "");
    }

    #[test]
    fn a_setting_of_the_wrong_type_is_named() {
        let (mut file, mut faults) = read("nodes = \"http://10.0.0.1:2379\"\n");
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
