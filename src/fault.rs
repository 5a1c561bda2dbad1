//! What is wrong with a setting, and where it was given.

use std::collections::BTreeSet;
use std::fmt;

/// Where a setting was given, in the words of whoever gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// As it is typed, with its dashes. Also where it was not given, but could be.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    File {
        path: String,
        /// Counted from 1.
        line: Option<usize>,
        /// None where the file is no list of fields.
        field: Option<String>,
    },
}

impl From<&'static str> for Place {
    fn from(flag: &'static str) -> Self {
        Self::Flag(flag)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line, field } => {
                f.write_str(path)?;
                if let Some(line) = line {
                    write!(f, ", line {line}")?;
                }
                match field {
                    Some(field) => write!(f, ": {field}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Something wrong with a setting, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// None where it is nobody's setting, but the system's.
    place: Option<Place>,
    /// As it was given; none where it may be a secret.
    value: Option<String>,
    /// What follows the place and the value.
    rest: String,
}

impl Fault {
    /// `--ttl "0s": must be at least 1s`. The value is no secret.
    pub fn of_value(place: impl Into<Place>, value: &str, what: impl fmt::Display) -> Self {
        Self {
            value: Some(value.to_owned()),
            ..Self::of(place, what)
        }
    }

    /// `--endpoints: must not hold a user or password`.
    pub fn of(place: impl Into<Place>, what: impl fmt::Display) -> Self {
        Self::behind(place.into(), format!(": {what}"))
    }

    /// `--service is missing`: a sentence that begins with the place.
    pub fn sentence(place: impl Into<Place>, words: impl fmt::Display) -> Self {
        Self::behind(place.into(), format!(" {words}"))
    }

    /// `TLS cannot be set up`, whatever was given.
    pub fn of_system(what: impl fmt::Display) -> Self {
        Self {
            place: None,
            value: None,
            rest: what.to_string(),
        }
    }

    fn behind(place: Place, rest: String) -> Self {
        Self {
            place: Some(place),
            value: None,
            rest,
        }
    }

    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The same, where its flag is only how the setting is known, and `place_of` says where it was given.
    #[must_use]
    pub fn placed(self, place_of: impl FnOnce(&'static str) -> Place) -> Self {
        match self.place {
            Some(Place::Flag(flag)) => Self {
                place: Some(place_of(flag)),
                ..self
            },
            Some(Place::Variable(_) | Place::File { .. }) | None => self,
        }
    }

    /// The same without the value that was looked at, which has `secrets` in it: shown is what was
    /// `written` in its place.
    #[must_use]
    pub fn hiding(self, secrets: &BTreeSet<String>, written: &str) -> Self {
        let echoes = |word: &str| secrets.iter().any(|secret| secret.contains(word));
        let mut words = self.rest.split(|c: char| !c.is_alphanumeric());
        let tells = words.any(|word| word.len() > 2 && !written.contains(word) && echoes(word));
        Self {
            value: self.value.map(|_| written.to_owned()),
            rest: match tells {
                true => ": is wrong, with the values that its variables have".to_owned(),
                false => self.rest,
            },
            ..self
        }
    }

    /// The same in the words of a file, whose fields are named as flags are, but with `_`.
    #[must_use]
    pub fn of_fields(self) -> Self {
        let mut rest = String::with_capacity(self.rest.len());
        let mut parts = self.rest.split(" --");
        rest.extend(parts.next());
        for part in parts {
            let is_of_name = |c: char| c.is_ascii_lowercase() || c == '-';
            let end = part.find(|c| !is_of_name(c)).unwrap_or(part.len());
            let (name, behind) = part.split_at(end);
            rest.extend([" ", &field_of(name), behind]);
        }
        Self { rest, ..self }
    }
}

/// What stands for a flag in a file.
#[must_use]
pub fn field_of(flag: &str) -> String {
    match flag.trim_start_matches('-') {
        "service" => "name".to_owned(),
        name => name.replace('-', "_"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            place.fmt(f)?;
        }
        if let Some(value) = &self.value {
            write!(f, " {value:?}")?;
        }
        f.write_str(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(line: Option<usize>, field: Option<&str>) -> Place {
        Place::File {
            path: "a.toml".to_owned(),
            line,
            field: field.map(str::to_owned),
        }
    }

    #[test]
    fn a_fault_begins_with_its_place() {
        let table = [
            (
                Fault::of_value("--ttl", "0s", "must be at least 1s"),
                "--ttl \"0s\": must be at least 1s",
            ),
            (
                Fault::of(
                    in_file(Some(3), Some("endpoints")),
                    "must not hold a password",
                ),
                "a.toml, line 3: endpoints: must not hold a password",
            ),
            (
                Fault::of(in_file(Some(3), None), "unclosed table"),
                "a.toml, line 3: unclosed table",
            ),
            (
                Fault::sentence(in_file(None, Some("service")), "is missing"),
                "a.toml: service is missing",
            ),
            (Fault::of_system("no certificates"), "no certificates"),
        ];
        for (fault, shown) in table {
            assert_eq!(fault.to_string(), shown);
        }
    }

    #[test]
    fn what_variables_hold_is_not_told_in_whatever_part_of_a_fault() {
        let hidden = |what: &str| {
            let fault = Fault::of_value("--ttl", "10sesame", what);
            fault
                .hiding(&BTreeSet::from(["sesame".to_owned()]), "10${UNIT}")
                .to_string()
        };
        assert_eq!(
            hidden("must be at least 1s"),
            "--ttl \"10${UNIT}\": must be at least 1s"
        );
        assert_eq!(
            hidden("unknown unit \"sesam\""),
            "--ttl \"10${UNIT}\": is wrong, with the values that its variables have"
        );
    }

    #[test]
    fn a_files_fields_are_named_as_they_are_written_there() {
        let told = |words: &str| Fault::sentence("--host", words).of_fields().to_string();
        assert_eq!(
            told("and --header Host: give one of the two, not --tls-skip-verify"),
            "--host and header Host: give one of the two, not tls_skip_verify"
        );
    }

    #[test]
    fn a_flag_stands_for_where_its_value_was_given() {
        let fault = Fault::of_value("--ttl", "0s", "must be at least 1s");
        let elsewhere = |flag: &'static str| Place::Variable(format!("variable of {flag}"));
        let placed = fault.placed(elsewhere);
        assert_eq!(
            placed.to_string(),
            "variable of --ttl \"0s\": must be at least 1s"
        );
        assert_eq!(placed.clone().placed(elsewhere), placed);
    }
}
