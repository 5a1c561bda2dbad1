//! Characters as Go reads and sorts them.

/// The zeros of the scripts that have digits of their own, each followed by its other nine.
const ZEROS: [u32; 64] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16b50, 0x1d7ce,
    0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
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

/// Goes without tables for the letters; only vowel signs of Indic scripts are mistaken for them.
fn is_letter_or_digit(rune: char) -> bool {
    let number = u32::from(rune);
    if rune.is_numeric() {
        return ZEROS
            .iter()
            .any(|zero| (*zero..zero + 10).contains(&number));
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

/// `unicode.ToUpper`, which never makes two characters of one.
#[must_use]
pub fn to_upper(char: char) -> char {
    let mut upper = char.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => with_adscript(char),
    }
}

/// A Greek letter with iota subscript in its capital form, which has the iota beside it.
fn with_adscript(char: char) -> char {
    let capital = match u32::from(char) {
        code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => code + 8,
        code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => code + 9,
        code => code,
    };
    char::from_u32(capital).unwrap_or(char)
}

/// `unicode.ToLower`.
#[must_use]
pub fn to_lower(char: char) -> char {
    char.to_lowercase().next().unwrap_or(char)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_count_one_by_one() {
        assert_eq!(decode(b""), None);
        assert_eq!(decode("é!".as_bytes()), Some(('é', 2)));
        assert_eq!(decode("😀".as_bytes()), Some(('😀', 4)));
        assert_eq!(decode(b"\xe2\x82!"), Some(('\u{fffd}', 1)));
        assert_eq!(decode(b"\xff"), Some(('\u{fffd}', 1)));
    }

    #[test]
    fn names_are_made_of_letters_digits_and_underscores() {
        for rune in "_aZ09éß日本ªҴ٣९\u{1d7d8}".chars() {
            assert!(is_alphanumeric(rune), "{rune}");
        }
        for rune in " -.$“½²Ⅷⓐ€\u{301}\u{200d}\0\u{fffd}".chars() {
            assert!(!is_alphanumeric(rune), "{rune:?}");
        }
    }

    #[test]
    fn what_has_no_shape_is_not_printed() {
        assert_eq!(code_point('“'), "U+201C '“'");
        assert_eq!(code_point('\u{301}'), "U+0301 '\u{301}'");
        assert_eq!(code_point('\''), "U+0027 '''");
        assert_eq!(code_point('\0'), "U+0000");
        assert_eq!(code_point('\u{a0}'), "U+00A0");
        assert_eq!(code_point('\u{feff}'), "U+FEFF");
    }
}
