//! Characters as Go reads and sorts them.

/// The zeros of the scripts that have digits of their own, each followed by its other nine.
const ZEROS: &[char] = &[
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// The first character of `text` and its length in bytes. A byte that is not UTF-8 counts as one
/// replacement character.
#[must_use]
pub(crate) fn decode(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let start = text.get(..4).unwrap_or(text);
    let valid = start
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    Some(valid.map_or((char::REPLACEMENT_CHARACTER, 1), |rune| {
        (rune, rune.len_utf8())
    }))
}

/// Whether a name may contain it: a letter, a digit or an underscore.
#[must_use]
pub(crate) fn is_alphanumeric(rune: char) -> bool {
    rune == '_' || rune.is_ascii_alphanumeric() || !rune.is_ascii() && is_letter_or_digit(rune)
}

fn is_letter_or_digit(rune: char) -> bool {
    if rune.is_numeric() {
        return ZEROS
            .iter()
            .any(|&zero| (zero..).take(10).any(|digit| digit == rune));
    }
    let is_circled = matches!(rune, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    // Alphabetic characters that are escaped are marks.
    rune.is_alphabetic() && !is_circled && rune.escape_debug().eq([rune])
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the space.
#[must_use]
pub(crate) fn is_print(rune: char) -> bool {
    // At the beginning of a text marks are escaped, too.
    let mut text = [b'x', 0, 0, 0, 0];
    let length = 1 + rune.encode_utf8(&mut text[1..]).len();
    let text = str::from_utf8(&text[..length]);
    matches!(rune, '\\' | '"' | '\'')
        || text.is_ok_and(|text| text.escape_debug().nth(1) == Some(rune))
}

/// `%#U`: `U+0041 'A'`.
#[must_use]
pub(crate) fn code_point(rune: char) -> String {
    let number = u32::from(rune);
    if is_print(rune) {
        format!("U+{number:04X} '{rune}'")
    } else {
        format!("U+{number:04X}")
    }
}
