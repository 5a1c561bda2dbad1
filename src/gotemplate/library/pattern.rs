//! Patterns for keys: Go's `path.Match`.
//!
//! `*` is any text without a slash, `?` a character that is none, `[a-z]` and `[^a-z]` a character
//! of a class, and a backslash takes away the meaning of what follows it.

use std::char::REPLACEMENT_CHARACTER;

use crate::rune::decode;

/// A pattern that has no faults.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// What all names that match begin with.
    beginning: Vec<u8>,
    /// What follows.
    rest: Vec<Token>,
}

/// Go's `path.ErrBadPattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

#[derive(Clone, Debug)]
enum Token {
    Byte(u8),
    Star,
    Question,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// # Errors
    /// When it is none.
    pub fn parse(mut pattern: &[u8]) -> Result<Self, BadPattern> {
        let mut tokens = Vec::new();
        while let Some((&byte, rest)) = pattern.split_first() {
            pattern = rest;
            tokens.push(match byte {
                b'*' => Token::Star,
                b'?' => Token::Question,
                b'[' => class(&mut pattern)?,
                b'\\' => Token::Byte(*pattern.split_off_first().ok_or(BadPattern)?),
                byte => Token::Byte(byte),
            });
        }
        let mut beginning = Vec::new();
        while let Some(Token::Byte(byte)) = tokens.get(beginning.len()) {
            beginning.push(*byte);
        }
        let rest = tokens.split_off(beginning.len());
        Ok(Self { beginning, rest })
    }

    /// What all names that match begin with.
    pub fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// Whether it matches all of `name`.
    pub fn matches(&self, name: &[u8]) -> bool {
        match name.strip_prefix(self.beginning.as_slice()) {
            Some(rest) => match self.rest.as_slice() {
                [] => rest.is_empty(),
                [Token::Star] => !rest.contains(&b'/'),
                tokens => matches(tokens, rest),
            },
            None => false,
        }
    }
}

/// Only the last star is tried at several lengths. Go does the same, and it can be told: `*[^b]*c`
/// does not match `a/c`, as the class takes the `a`.
fn matches(mut tokens: &[Token], mut name: &[u8]) -> bool {
    let mut star = None;
    loop {
        match tokens.split_first() {
            Some((Token::Star, rest)) => {
                star = Some((rest, name));
                tokens = rest;
                continue;
            }
            Some((token, rest)) => {
                if let Some(width) = token.width(name) {
                    (tokens, name) = (rest, &name[width..]);
                    continue;
                }
            }
            None if name.is_empty() => return true,
            None => {}
        }
        match star {
            Some((rest, [byte, longer @ ..])) if *byte != b'/' => {
                star = Some((rest, longer));
                (tokens, name) = (rest, longer);
            }
            _ => return false,
        }
    }
}

impl Token {
    /// How many bytes it takes from the beginning of `name`, if it fits.
    fn width(&self, name: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => (name.first()? == byte).then_some(1),
            Self::Star => Some(0),
            Self::Question => decode(name)
                .filter(|&(char, _)| char != '/')
                .map(|(_, width)| width),
            Self::Class { negated, ranges } => {
                let (char, width) = decode(name)?;
                let within = ranges
                    .iter()
                    .any(|&(low, high)| low <= char && char <= high);
                (within != *negated).then_some(width)
            }
        }
    }
}

/// A class, from behind its opening bracket.
fn class(pattern: &mut &[u8]) -> Result<Token, BadPattern> {
    let negated = pattern.first() == Some(&b'^');
    if negated {
        *pattern = &pattern[1..];
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || pattern.first() != Some(&b']') {
        let low = class_char(pattern)?;
        let mut high = low;
        if pattern.first() == Some(&b'-') {
            *pattern = &pattern[1..];
            high = class_char(pattern)?;
        }
        ranges.push((low, high));
    }
    *pattern = &pattern[1..];
    Ok(Token::Class { negated, ranges })
}

fn class_char(pattern: &mut &[u8]) -> Result<char, BadPattern> {
    if matches!(pattern.first(), Some(b'-' | b']')) {
        return Err(BadPattern);
    }
    if let Some(escaped) = pattern.strip_prefix(b"\\") {
        *pattern = escaped;
    }
    match decode(pattern) {
        None | Some((REPLACEMENT_CHARACTER, 1)) => Err(BadPattern),
        Some((char, width)) => {
            *pattern = &pattern[width..];
            Ok(char)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matched(pattern: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> Result<bool, BadPattern> {
        Ok(Pattern::parse(pattern.as_ref())?.matches(name.as_ref()))
    }

    #[test]
    fn a_star_is_any_text_without_a_slash() {
        for (pattern, name, expected) in [
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a", false),
            ("/a/*", "/a/b/c", false),
            ("/a/**", "/a/b/c", false),
            ("/*/x", "/a/x", true),
            ("/*/x", "/a/b/x", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matched(pattern, name), Ok(expected), "{pattern} {name}");
        }
    }

    #[test]
    fn a_question_mark_is_one_character() {
        assert_eq!(matched("/a?c", "/abc"), Ok(true));
        assert_eq!(matched("/a?c", "/aéc"), Ok(true));
        assert_eq!(matched("/a?c", b"/a\xffc"), Ok(true));
        assert_eq!(matched("/a?c", "/a/c"), Ok(false));
        assert_eq!(matched("/a?", "/a"), Ok(false));
    }

    #[test]
    fn a_class_is_one_of_its_characters() {
        for (pattern, name, expected) in [
            ("[abc]", "b", true),
            ("[^abc]", "b", false),
            ("[^abc]", "é", true),
            ("[a-ce]", "e", true),
            ("[c-a]", "b", false),
            ("[à-ü]", "é", true),
            ("[]]", "]", false),
            ("[*?]", "*", true),
            (r"[\]\-\\]", "]", true),
            (r"[\]\-\\]", "-", true),
            (r"[\]\-\\]", r"\", true),
            ("[[]", "[", true),
            ("[a]", "", false),
        ] {
            let result = matched(pattern, name);
            assert_eq!(result.unwrap_or(false), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_class_may_be_a_slash() {
        assert_eq!(matched("a[/]b", "a/b"), Ok(true));
        assert_eq!(matched("a[^x]b", "a/b"), Ok(true));
    }

    #[test]
    fn only_the_last_star_is_tried_at_several_lengths() {
        assert_eq!(matched("*[^b]*c", "/c"), Ok(true));
        assert_eq!(matched("*[^b]*c", "a/c"), Ok(false));
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        assert_eq!(matched(r"\*\?\[", "*?["), Ok(true));
        assert_eq!(matched(r"\*", "a"), Ok(false));
        assert_eq!(matched(r"\a", "a"), Ok(true));
    }

    #[test]
    fn faults_are_found_whatever_the_name() {
        for pattern in [
            "[", "[]", "[]a]", "[^]", "[a", "[a-", "[a-]", "[-a]", "[a-b-c]", "[x\\", "a\\", "*/[",
        ] {
            assert_eq!(matched(pattern, "a"), Err(BadPattern), "{pattern}");
        }
        assert_eq!(matched(b"[\xff]", "a"), Err(BadPattern));
        assert_eq!(BadPattern.to_string(), "syntax error in pattern");
    }

    #[test]
    fn outside_a_class_its_signs_are_ordinary() {
        assert_eq!(matched("]-^", "]-^"), Ok(true));
    }

    #[test]
    fn what_matches_begins_with_the_beginning() {
        let pattern = Pattern::parse(br"/a\*b/[c]*").unwrap();
        assert_eq!(pattern.beginning(), b"/a*b/");
        assert!(pattern.matches(b"/a*b/c"));
    }

    /// What a pattern of letters, `?`, `*` and `[ab]` matches, by trying everything.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            ([b'*', rest @ ..], _) => {
                let longest = name.iter().position(|&b| b == b'/').unwrap_or(name.len());
                (0..=longest).any(|length| reference(rest, &name[length..]))
            }
            ([b'[', b'a', b'b', b']', rest @ ..], [b'a' | b'b', tail @ ..]) => {
                reference(rest, tail)
            }
            ([b'[', ..], _) | (_, []) => false,
            ([b'?', rest @ ..], [byte, tail @ ..]) => *byte != b'/' && reference(rest, tail),
            ([letter, rest @ ..], [byte, tail @ ..]) => letter == byte && reference(rest, tail),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(
            pattern in r"([abc/?]|\*|\[ab\]){0,10}",
            name in "[abc/]{0,12}",
        ) {
            prop_assert_eq!(matched(&pattern, &name), Ok(reference(pattern.as_bytes(), name.as_bytes())));
        }

        #[test]
        fn any_bytes_are_a_pattern_or_a_fault(pattern: Vec<u8>, name: Vec<u8>) {
            let _ = matched(pattern, name);
        }
    }
}
