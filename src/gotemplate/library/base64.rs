//! Base64 with padding: Go's `base64.StdEncoding`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::library::mistyped;
use crate::value::Value;

/// `base64.StdEncoding.EncodeToString`, of a string.
///
/// # Errors
/// Go's text.
pub fn encode(args: &[Value]) -> Result<Value, String> {
    let [Value::String(data)] = args else {
        return mistyped();
    };
    Ok(Value::string(STANDARD.encode(data)))
}

/// `base64.StdEncoding.DecodeString`, of a string.
///
/// # Errors
/// Go's text.
pub fn decode(args: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    decoded(text)
        .map(Value::string)
        .map_err(|at| format!("illegal base64 data at input byte {at}"))
}

/// The bytes, or where Go reports the fault. Line ends may stand anywhere, and what is left over
/// of the last character's bits is not looked at.
fn decoded(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut input = Input { text, at: 0 };
    loop {
        let mut group = [0; 4];
        let mut length = 0;
        while length < 4 {
            match input.next() {
                None if length == 0 => return Ok(bytes),
                None => return Err(text.len().saturating_sub(length)),
                Some(b'=') => {
                    input.end(length)?;
                    push(&mut bytes, group, length);
                    return Ok(bytes);
                }
                Some(byte) => group[length] = sextet(byte).ok_or(input.at - 1)?,
            }
            length += 1;
        }
        push(&mut bytes, group, length);
    }
}

struct Input<'a> {
    text: &'a [u8],
    at: usize,
}

impl Input<'_> {
    /// The next byte that is no line end.
    fn next(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            if !matches!(byte, b'\r' | b'\n') {
                return Some(byte);
            }
        }
        None
    }

    /// What follows the first `=` of a group that has `length` characters.
    fn end(&mut self, length: usize) -> Result<(), usize> {
        if length < 2 {
            return Err(self.at - 1);
        }
        if length == 2 {
            match self.next() {
                Some(b'=') => {}
                None => return Err(self.text.len()),
                // The fault is in front of the byte that was read.
                Some(_) => return Err(self.at - 2),
            }
        }
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.at - 1),
        }
    }
}

fn push(bytes: &mut Vec<u8>, group: [u32; 4], length: usize) {
    let bits = group.iter().fold(0, |bits, sextet| bits << 6 | sextet);
    let [_, three @ ..] = bits.to_be_bytes();
    bytes.extend(three.iter().take(length.saturating_sub(1)));
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::library::tests::{call, text};

    fn decode_of(of: &str) -> Result<String, String> {
        call("base64Decode", &[text(of)])
    }

    #[test]
    fn data_is_encoded_with_padding() {
        assert_eq!(
            call("base64Encode", &[text("Value")]),
            Ok("VmFsdWU=".into())
        );
        assert_eq!(call("base64Encode", &[text("")]), Ok("".into()));
    }

    #[test]
    fn line_ends_are_skipped() {
        for wrapped in ["VmFsdWU=", "Vm\nFs\r\ndWU=\n", "VmFsdWU\n=\n", "\nVmFsdWU="] {
            assert_eq!(decode_of(wrapped), Ok("Value".into()), "{wrapped:?}");
        }
        assert_eq!(decode_of("Z\ng\n=\n=\n"), Ok("f".into()));
        assert_eq!(decode_of("\r\n"), Ok("".into()));
    }

    #[test]
    fn bits_left_over_are_not_looked_at() {
        assert_eq!(decode_of("Zh=="), Ok("f".into()));
        assert_eq!(decode_of("Zm9="), Ok("fo".into()));
    }

    #[test]
    fn a_fault_is_reported_where_go_does() {
        for (wrong, at) in [
            ("!!", 0),
            ("Zm!v", 2),
            ("_-8=", 0),
            ("VmFsdWU", 4),
            ("Zg", 0),
            ("Z", 0),
            ("Zm9vZg", 4),
            ("Zm9v\nZg", 5),
            ("Zm9vZ\ng", 5),
            ("Zm9v\nZg\n", 6),
            ("=", 0),
            ("Z===", 1),
            ("Zg=", 3),
            ("Zg=\n", 4),
            ("Zg=g", 2),
            ("Zg=\ng", 3),
            ("Zg==g", 4),
            ("Zm9=\nx", 5),
            ("Zg== ", 4),
        ] {
            let error = format!("illegal base64 data at input byte {at}");
            assert_eq!(decode_of(wrong), Err(error), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(data: Vec<u8>) {
            prop_assert_eq!(decoded(STANDARD.encode(&data).as_bytes()), Ok(data));
        }
    }
}
