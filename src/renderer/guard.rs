//! What a resource demands of its keys before it is rendered.

mod kind;

use std::collections::BTreeMap;

use crate::store::Store;
use gotemplate::Str;
use gotemplate::library::pattern::Pattern;
use kind::ValueKind;

/// The settings `require` and `validate` of a resource.
#[derive(Debug, Default)]
pub struct Guards {
    /// As written, and read.
    required: Vec<(String, Pattern)>,
    kinds: Vec<(Pattern, ValueKind)>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Go's `path.Match` would refuse it.
    #[error("syntax error in pattern {pattern:?}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
    },
    /// There is no such kind of values.
    #[error("unknown kind {kind:?}; use address, hostname, integer or regex:EXPRESSION")]
    ValueKind {
        /// The kind as written.
        kind: String,
    },
    /// The expression behind `regex:` is none.
    #[error("bad regular expression {expression:?}")]
    Regex {
        /// The expression as written.
        expression: String,
        /// What is wrong with it.
        source: regex_lite::Error,
    },
}

/// A required pattern that no key matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key matches {pattern}, which is required")]
pub struct Unmet {
    /// The pattern as written.
    pub pattern: String,
}

impl Guards {
    /// Reads both settings: patterns, and kinds of values by pattern.
    ///
    /// # Errors
    /// At the first pattern or kind that is wrong.
    pub fn parse(
        require: &[String],
        validate: &BTreeMap<String, String>,
    ) -> Result<Self, GuardError> {
        let required = require
            .iter()
            .map(|text| Ok((text.clone(), pattern(text)?)))
            .collect::<Result<_, _>>()?;
        let kinds = validate
            .iter()
            .map(|(text, kind)| Ok((pattern(text)?, ValueKind::parse(kind)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { required, kinds })
    }

    /// Drops the entries whose values do not fit, and returns their keys. Comes before
    /// [`Self::require`]: what was dropped does not count.
    pub fn validate(&self, store: &mut Store) -> Vec<Str> {
        let mut dropped = Vec::new();
        store.retain(|key, value| {
            let mut kinds = self
                .kinds
                .iter()
                .filter(|(pattern, _)| pattern.matches(key));
            let fits = kinds.all(|(_, kind)| kind.fits(value));
            if !fits {
                dropped.push(key.clone());
            }
            fits
        });
        dropped
    }

    /// Whether each required pattern has a key.
    ///
    /// # Errors
    /// Names the first that has none.
    pub fn require(&self, store: &Store) -> Result<(), Unmet> {
        let unmet = |(_, pattern): &&(String, Pattern)| store.matching(pattern).next().is_none();
        match self.required.iter().find(unmet) {
            None => Ok(()),
            Some((pattern, _)) => Err(Unmet {
                pattern: pattern.clone(),
            }),
        }
    }
}

fn pattern(text: &str) -> Result<Pattern, GuardError> {
    Pattern::parse(text.as_bytes()).map_err(|_| GuardError::Pattern {
        pattern: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::tests::store;

    fn guards(require: &[&str], validate: &[(&str, &str)]) -> Result<Guards, GuardError> {
        let require: Vec<_> = require.iter().map(ToString::to_string).collect();
        let kinds = validate
            .iter()
            .map(|(of, kind)| (of.to_string(), kind.to_string()));
        Guards::parse(&require, &kinds.collect())
    }

    fn keys(store: &Store) -> Vec<Str> {
        store.entries().iter().map(|(key, _)| key.clone()).collect()
    }

    #[test]
    fn a_required_pattern_needs_a_key() {
        let guards = guards(&["/a/*", "/b/[12]"], &[]).unwrap();
        assert_eq!(
            guards.require(&store(&[("/a/x", ""), ("/b/2", "")])),
            Ok(())
        );
        let unmet = guards
            .require(&store(&[("/a/x", ""), ("/b/3", "")]))
            .unwrap_err();
        assert_eq!(
            unmet.to_string(),
            "no key matches /b/[12], which is required"
        );
        assert_eq!(Guards::default().require(&store(&[])), Ok(()));
    }

    #[test]
    fn values_that_do_not_fit_are_dropped() {
        let guards = guards(&["/a/*"], &[("/a/*", "address"), ("/p*", "integer")]).unwrap();
        let mut seen = store(&[
            ("/a/1", "10.0.0.1:80"),
            ("/a/2", "10.0.0.2:80; include /etc/passwd"),
            ("/other", "anything"),
            ("/port", "eighty"),
        ]);
        assert_eq!(guards.validate(&mut seen), ["/a/2", "/port"]);
        assert_eq!(keys(&seen), ["/a/1", "/other"]);
        assert_eq!(guards.require(&seen), Ok(()));
    }

    #[test]
    fn what_was_dropped_does_not_count_as_a_key() {
        let guards = guards(&["/a/*"], &[("/a/*", "address")]).unwrap();
        let mut seen = store(&[("/a/1", "nonsense")]);
        assert_eq!(guards.validate(&mut seen), ["/a/1"]);
        let unmet = guards.require(&seen).unwrap_err();
        assert_eq!(unmet.pattern, "/a/*");
    }

    #[test]
    fn a_value_fits_every_pattern_of_its_key() {
        let guards = guards(&[], &[("/a*", "integer"), ("/*1", "regex:[0-9]")]).unwrap();
        let mut seen = store(&[("/a", "10"), ("/a1", "10"), ("/a2", "10"), ("/b1", "7")]);
        assert_eq!(guards.validate(&mut seen), ["/a1"]);
    }

    #[test]
    fn wrong_settings_are_named() {
        let error = |require: &[&str], validate: &[(&str, &str)]| {
            guards(require, validate).unwrap_err().to_string()
        };
        assert_eq!(error(&["/a", "/["], &[]), r#"syntax error in pattern "/[""#);
        assert_eq!(
            error(&[], &[("/[", "integer")]),
            r#"syntax error in pattern "/[""#
        );
        assert_eq!(
            error(&[], &[("/a", "Integer")]),
            r#"unknown kind "Integer"; use address, hostname, integer or regex:EXPRESSION"#
        );
        assert_eq!(
            error(&[], &[("/a", "regex:a)(b")]),
            r#"bad regular expression "a)(b""#
        );
    }
}
