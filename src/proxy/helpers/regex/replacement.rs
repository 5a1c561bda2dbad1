//! What matches are replaced with, as Go's `Regexp.Expand` reads it.

use gotemplate::library::strings::check_length;
use regex_lite::Captures;

/// Text and names of groups.
pub(super) struct Replacement<'t>(Vec<Piece<'t>>);

#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Number(usize),
    Name(&'t str),
}

impl<'t> Replacement<'t> {
    pub(super) fn parse(mut text: &'t str) -> Self {
        let mut pieces = Vec::new();
        while let Some(at) = text.find('$') {
            let (before, reference) = text.split_at(at);
            pieces.push(Piece::Text(before));
            let (piece, length) = reference_in(reference);
            pieces.push(piece);
            text = reference.get(length..).unwrap_or_default();
        }
        pieces.push(Piece::Text(text));
        Self(pieces)
    }

    /// What it comes to for one match, put to `out`, which may not become too long.
    pub(super) fn expand(&self, groups: &Captures<'_>, out: &mut String) -> Result<(), String> {
        for piece in &self.0 {
            let group = match piece {
                Piece::Text(text) => Some(*text),
                Piece::Number(number) => groups.get(*number).map(|group| group.as_str()),
                Piece::Name(name) => groups.name(name).map(|group| group.as_str()),
            };
            let text = group.unwrap_or_default();
            check_length(out.len().saturating_add(text.len()))?;
            out.push_str(text);
        }
        Ok(())
    }
}

/// What the `$` that `text` begins with stands for, and how long it is: itself, where no group can be
/// meant. The longest possible name counts: `$1x` is the group `1x`.
fn reference_in(text: &str) -> (Piece<'_>, usize) {
    let (dollar, rest) = text.split_at(1);
    if rest.starts_with('$') {
        return (Piece::Text(dollar), 2);
    }
    let (braces, rest) = match rest.strip_prefix('{') {
        Some(rest) => (2, rest),
        None => (0, rest),
    };
    let is_of_name = |char: char| char == '_' || char.is_alphanumeric();
    let length = rest.find(|char| !is_of_name(char)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(length);
    if name.is_empty() || braces > 0 && !after.starts_with('}') {
        return (Piece::Text(dollar), 1);
    }
    let piece = name.parse().map_or(Piece::Name(name), Piece::Number);
    (piece, 1 + braces + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_begins_the_longest_possible_name_of_a_group() {
        for (text, expected) in [
            ("$1", (Piece::Number(1), 2)),
            ("$1x", (Piece::Name("1x"), 3)),
            ("${1}x", (Piece::Number(1), 4)),
            ("${name}", (Piece::Name("name"), 7)),
            ("$name.", (Piece::Name("name"), 5)),
            ("$$1", (Piece::Text("$"), 2)),
            ("$", (Piece::Text("$"), 1)),
            ("$.", (Piece::Text("$"), 1)),
            ("${", (Piece::Text("$"), 1)),
            ("${}", (Piece::Text("$"), 1)),
            ("${1", (Piece::Text("$"), 1)),
            ("${a-b}", (Piece::Text("$"), 1)),
        ] {
            assert_eq!(reference_in(text), expected, "{text}");
        }
    }
}
