//! Characters as Go reads and sorts them.

use std::char::REPLACEMENT_CHARACTER;

/// The first character of `text` and its length in bytes. A byte that is not UTF-8 counts as one
/// replacement character.
#[must_use]
pub fn decode(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let start = text.get(..4).unwrap_or(text);
    let valid = start
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    Some(valid.map_or((REPLACEMENT_CHARACTER, 1), |rune| (rune, rune.len_utf8())))
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the space.
#[must_use]
pub fn is_print(rune: char) -> bool {
    // A mark at a string's beginning is escaped although it is printable.
    let mut text = [b'x', 0, 0, 0, 0];
    rune.encode_utf8(&mut text[1..]);
    let text = &text[..=rune.len_utf8()];
    matches!(rune, '\\' | '"' | '\'')
        || str::from_utf8(text).is_ok_and(|text| text.escape_debug().nth(1) == Some(rune))
}
