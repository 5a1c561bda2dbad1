//! Command lines by the rules of Go's `flag` package: one dash or two, `-name value` or
//! `-name=value`, switches without a value, and an end at the first word that is no flag.

use std::fmt::Write;

/// A flag that may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    pub kind: FlagKind,
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    Switch,
    Number,
    Text,
}

/// A flag as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenFlag {
    pub name: &'static str,
    pub value: FlagValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagValue {
    Switch(bool),
    Number(i64),
    Text(String),
}

/// Why a command line was not taken; in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// `-h` or `-help`.
    #[error("flag: help requested")]
    Help,
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    #[error("flag provided but not defined: -{0}")]
    Undefined(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(&'static str),
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    Switch { name: &'static str, value: String },
    #[error("invalid value {value:?} for flag -{name}: {reason}")]
    Number {
        name: &'static str,
        value: String,
        reason: &'static str,
    },
}

/// The flags in the order given.
///
/// # Errors
/// The first fault; nothing after it is looked at.
pub fn parse(flags: &[Flag], words: &[String]) -> Result<Vec<GivenFlag>, FlagError> {
    let mut given = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(body) = word.strip_prefix('-').filter(|body| !body.is_empty()) else {
            break;
        };
        let body = body.strip_prefix('-').unwrap_or(body);
        if body.is_empty() {
            break;
        }
        if body.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(word.clone()));
        }
        let (name, inline) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
            return Err(match name {
                "h" | "help" => FlagError::Help,
                unknown => FlagError::Undefined(unknown.to_owned()),
            });
        };
        let mut value = || {
            let next = inline.clone().or_else(|| words.next().cloned());
            next.ok_or(FlagError::NoValue(flag.name))
        };
        let value = match flag.kind {
            FlagKind::Switch => FlagValue::Switch(switch(flag.name, inline.as_deref())?),
            FlagKind::Number => FlagValue::Number(number(flag.name, &value()?)?),
            FlagKind::Text => FlagValue::Text(value()?),
        };
        given.push(GivenFlag {
            name: flag.name,
            value,
        });
    }
    Ok(given)
}

fn switch(name: &'static str, value: Option<&str>) -> Result<bool, FlagError> {
    let Some(text) = value else { return Ok(true) };
    parse_bool(text).ok_or_else(|| FlagError::Switch {
        name,
        value: text.to_owned(),
    })
}

/// A boolean by the rules of Go's `strconv`.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Decimal, or with Go's prefixes `0x`, `0o`, `0b` and `0`.
fn number(name: &'static str, text: &str) -> Result<i64, FlagError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.split_at_checked(2) {
        Some(("0x", digits)) => (digits, 16),
        Some(("0b", digits)) => (digits, 2),
        Some(("0o", digits)) => (digits, 8),
        Some(_) if lower.starts_with('0') => (&lower[1..], 8),
        Some(_) | None => (lower.as_str(), 10),
    };
    let fault = |reason| FlagError::Number {
        name,
        value: text.to_owned(),
        reason,
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(fault("parse error"));
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| fault("value out of range"))
}

/// What `-help` prints, and what follows a fault.
#[must_use]
pub fn usage(program: &str, flags: &[Flag]) -> String {
    let mut text = format!("Usage of {program}:\n");
    for flag in flags {
        let kind = match flag.kind {
            FlagKind::Switch => "",
            FlagKind::Number => " int",
            FlagKind::Text => " value",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  -{}{kind}\n    \t{}", flag.name, flag.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag {
            name: "watch",
            kind: FlagKind::Switch,
            help: "",
        },
        Flag {
            name: "interval",
            kind: FlagKind::Number,
            help: "",
        },
        Flag {
            name: "node",
            kind: FlagKind::Text,
            help: "",
        },
    ];

    fn parse_line(line: &str) -> Result<Vec<GivenFlag>, FlagError> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        parse(FLAGS, &words)
    }

    fn text(name: &'static str, value: &str) -> GivenFlag {
        let value = FlagValue::Text(value.to_owned());
        GivenFlag { name, value }
    }

    fn switch(value: bool) -> GivenFlag {
        GivenFlag {
            name: "watch",
            value: FlagValue::Switch(value),
        }
    }

    #[test]
    fn one_dash_or_two_and_a_value_beside_or_behind_an_equals_sign() {
        let all = [text("node", "a"), text("node", "b"), text("node", "c=d")];
        assert_eq!(parse_line("-node a --node=b -node=c=d"), Ok(all.to_vec()));
    }

    #[test]
    fn a_switch_takes_its_value_behind_an_equals_sign_only() {
        assert_eq!(parse_line("-watch=F"), Ok(vec![switch(false)]));
        assert_eq!(parse_line("-watch false -node a"), Ok(vec![switch(true)]));
    }

    #[test]
    fn the_first_word_that_is_no_flag_ends_the_flags() {
        for line in ["-watch x -node a", "-watch - -node a", "-watch -- -node a"] {
            assert_eq!(parse_line(line), Ok(vec![switch(true)]), "{line}");
        }
    }

    #[test]
    fn numbers_are_written_as_in_go() {
        let number = |value| {
            Ok(vec![GivenFlag {
                name: "interval",
                value: FlagValue::Number(value),
            }])
        };
        assert_eq!(parse_line("-interval 10"), number(10));
        assert_eq!(parse_line("-interval 0x10"), number(16));
        assert_eq!(parse_line("-interval -010"), number(-8));
    }

    #[test]
    fn faults_are_told_in_gos_words() {
        for (line, fault) in [
            ("---node a", "bad flag syntax: ---node"),
            ("-=a", "bad flag syntax: -=a"),
            ("-nope", "flag provided but not defined: -nope"),
            ("-node", "flag needs an argument: -node"),
            (
                "-watch=maybe",
                "invalid boolean value \"maybe\" for -watch: parse error",
            ),
            (
                "-interval ten",
                "invalid value \"ten\" for flag -interval: parse error",
            ),
            (
                "-interval 99999999999999999999",
                "invalid value \"99999999999999999999\" for flag -interval: value out of range",
            ),
            ("--help", "flag: help requested"),
        ] {
            let error = parse_line(line).expect_err(line);
            assert_eq!(error.to_string(), fault);
        }
    }
}
