//! Strings that need not be UTF-8, cut and mended as Go does.

use std::char::REPLACEMENT_CHARACTER;

use crate::rune::decode;

/// The bytes of one character after the other. A byte that is part of none stands alone.
pub(super) fn characters(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (_, width) = decode(text)?;
        let (character, rest) = text.split_at(width);
        text = rest;
        Some(character)
    })
}

/// `text` with a replacement character for each byte that is part of none.
#[must_use]
pub fn mended(text: &[u8]) -> String {
    let mut mended = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        mended.push_str(chunk.valid());
        mended.extend(chunk.invalid().iter().map(|_| REPLACEMENT_CHARACTER));
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_no_character_stand_alone() {
        let text = b"a\xc3\xa9\xe2\x82\xed\xa0\x80\xff";
        let alone: [&[u8]; 8] = [
            b"a",
            b"\xc3\xa9",
            b"\xe2",
            b"\x82",
            b"\xed",
            b"\xa0",
            b"\x80",
            b"\xff",
        ];
        assert_eq!(characters(text).collect::<Vec<_>>(), alone);
        assert_eq!(mended(text), format!("aé{}", "\u{fffd}".repeat(6)));
    }
}
