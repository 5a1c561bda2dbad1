//! The words of a name.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Spaces, hyphens and underscores.
    Connector,
    Punctuation,
    /// That begins with a capital letter: `HTTP`, `Server`.
    Capital,
    /// Small letters.
    Letters,
    Number,
    /// Symbols, and characters of scripts that write no spaces.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
}

/// The word that the text begins with, and what comes after it.
pub(super) fn first_word(text: &str) -> Option<(Word<'_>, &str)> {
    let kind = kind(text.chars().next()?);
    let length = match kind {
        Kind::Capital => capital(text),
        _ => run(text, kind),
    };
    let (word, rest) = text.split_at(length);
    Some((Word { kind, text: word }, rest))
}

pub(super) fn is_connector(char: char) -> bool {
    matches!(char, '-' | '_') || char.is_whitespace()
}

pub(super) fn kind(char: char) -> Kind {
    match char {
        _ if is_connector(char) => Kind::Connector,
        _ if is_punctuation(char) => Kind::Punctuation,
        _ if char.is_uppercase() => Kind::Capital,
        _ if char.is_alphabetic() && !is_han(char) => Kind::Letters,
        _ if char.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

/// Unicode's general punctuation, and ASCII's, of which it takes some for symbols.
fn is_punctuation(char: char) -> bool {
    char.is_ascii_punctuation() && !"$+<=>^`|~".contains(char)
        || matches!(char, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}')
}

fn is_han(char: char) -> bool {
    matches!(char, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}')
}

/// How long a word of one kind of characters is.
fn run(text: &str, of: Kind) -> usize {
    text.find(|char| kind(char) != of).unwrap_or(text.len())
}

/// One capital and small letters, or capitals; the last one belongs to small letters that follow.
fn capital(text: &str) -> usize {
    let capitals = run(text, Kind::Capital);
    let (head, rest) = text.split_at(capitals);
    let small = run(rest, Kind::Letters);
    let last = head.chars().next_back().map_or(0, char::len_utf8);
    match small > 0 {
        true if capitals == last => capitals + small,
        true => capitals - last,
        false => capitals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mut text: &str) -> String {
        let next = || {
            let (word, rest) = first_word(text)?;
            text = rest;
            Some(word.text)
        };
        std::iter::from_fn(next).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_name_is_cut_where_its_characters_change() {
        assert_eq!(shown("HTTPServer2xx_(a)"), "HTTP|Server|2|xx|_|(|a|)");
        assert_eq!(shown("aBcD"), "a|Bc|D");
        assert_eq!(shown("ABc日本é$"), "A|Bc|日本|é|$");
        assert_eq!(shown(""), "");
    }
}
