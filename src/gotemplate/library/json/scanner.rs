//! Tokens of JSON.

use crate::Str;
use crate::library::utf8::mended;
use crate::quote::quote;

pub(super) struct Scanner<'a> {
    text: &'a Str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a Str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no space, without stepping over it.
    pub(super) fn significant(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.peek()
    }

    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// That nothing follows but space.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        match self.significant() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("after top-level value")),
        }
    }

    /// What is wrong with the next byte.
    pub(super) fn unexpected(&self, context: &str) -> String {
        match self.peek() {
            Some(byte) => invalid(byte, context),
            None => END.to_owned(),
        }
    }

    /// Steps over a word whose first letter has been seen.
    pub(super) fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                return self.bad(&format!("in literal {word} (expecting '{expected}')"));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A number, whose first byte has been seen.
    pub(super) fn number(&mut self) -> Result<String, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let number = self.text.get(start..self.at).unwrap_or_default();
        Ok(String::from_utf8_lossy(number).into_owned())
    }

    /// Steps over at least one digit.
    fn digits(&mut self, context: &str) -> Result<(), String> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return self.bad(context);
        }
        Ok(())
    }

    /// A string, whose opening quote has been seen.
    pub(super) fn string(&mut self) -> Result<Str, String> {
        self.at += 1;
        let start = self.at;
        let plain = self.plain()?;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(match str::from_utf8(plain) {
                Ok(_) => self.text.slice(start..start + plain.len()),
                Err(_) => mended(plain).into(),
            });
        }
        let mut string = mended(plain);
        while self.peek() == Some(b'\\') {
            self.at += 1;
            string.push(self.escaped()?);
            string.push_str(&mended(self.plain()?));
        }
        self.at += 1;
        Ok(string.into())
    }

    /// What comes before the next backslash or quote.
    fn plain(&mut self) -> Result<&'a [u8], String> {
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"' | b'\\') => return Ok(self.text.get(start..self.at).unwrap_or_default()),
                Some(0..b' ') | None => return Err(self.unexpected("in string literal")),
                Some(_) => self.at += 1,
            }
        }
    }

    /// What the characters behind a backslash stand for.
    fn escaped(&mut self) -> Result<char, String> {
        let char = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.bad("in string escape code"),
        };
        self.at += 1;
        Ok(char)
    }

    /// The character of one `\u`, or of two that are a pair. Half a pair stands for none.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hexadecimal()?;
        if matches!(first, 0xd800..0xdc00) && self.rest().starts_with(b"\\u") {
            let behind_first = self.at;
            self.at += 2;
            let second = self.hexadecimal()?;
            if matches!(second, 0xdc00..0xe000) {
                let pair = 0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00));
                return Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind_first;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hexadecimal(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return self.bad("in \\u hexadecimal character escape");
            };
            value = value << 4 | digit;
            self.at += 1;
        }
        Ok(value)
    }

    /// Within a token Go takes the end of the text for a space.
    fn bad<T>(&self, context: &str) -> Result<T, String> {
        Err(invalid(self.peek().unwrap_or(b' '), context))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
}

const END: &str = "unexpected end of JSON input";

/// Go takes the byte for a character of Latin-1.
fn invalid(byte: u8, context: &str) -> String {
    let shown = match byte {
        b'\'' => r"\'".to_owned(),
        b'"' => '"'.to_string(),
        byte => quote(char::from(byte).to_string().as_bytes())
            .trim_matches('"')
            .to_owned(),
    };
    format!("invalid character '{shown}' {context}")
}
