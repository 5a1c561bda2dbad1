//! Where a number ends. What it is worth, and whether it is one, is the parser's business.

use super::{Item, Kind, Lexer};
use crate::quote::quote;

const DECIMAL: &[u8] = b"0123456789_";
const HEXADECIMAL: &[u8] = b"0123456789abcdefABCDEF_";

impl Lexer<'_> {
    pub(super) fn lex_number(&mut self) -> Item {
        let mut kind = Kind::Number;
        let mut ok = self.scan_number();
        if ok && matches!(self.rest().first(), Some(b'+' | b'-')) {
            kind = Kind::Complex;
            ok = self.scan_number() && self.pending().ends_with(b"i");
        }
        if ok {
            self.emit(kind)
        } else {
            self.error(format!("bad number syntax: {}", quote(self.pending())))
        }
    }

    /// Stops after the first character that cannot follow a number.
    fn scan_number(&mut self) -> bool {
        self.accept(b"+-");
        let digits = self.scan_base();
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent = match digits {
            DECIMAL => self.accept(b"eE"),
            HEXADECIMAL => self.accept(b"pP"),
            _ => false,
        };
        if exponent {
            self.accept(b"+-");
            self.accept_run(DECIMAL);
        }
        self.accept(b"i");
        !self.accept_alphanumeric()
    }

    fn scan_base(&mut self) -> &'static [u8] {
        if !self.accept(b"0") {
            DECIMAL
        } else if self.accept(b"xX") {
            HEXADECIMAL
        } else if self.accept(b"oO") {
            b"01234567_"
        } else if self.accept(b"bB") {
            b"01_"
        } else {
            DECIMAL
        }
    }

    fn accept_run(&mut self, bytes: &[u8]) {
        while self.accept(bytes) {}
    }
}
