//! Sizes as people write them: `64MiB`, or a number of bytes.

use super::faults::Faults;
use crate::fault::Fault;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// More than anybody means.
const MOST: usize = GIB;

const UNITS: [(&str, usize); 3] = [("KiB", KIB), ("MiB", MIB), ("GiB", GIB)];

impl Faults {
    /// In bytes, at least one.
    pub(super) fn size(&mut self, flag: &'static str, text: &str) -> Option<usize> {
        self.take(size(text).map_err(|what| Fault::of_value(flag, text, what)))
    }
}

fn size(text: &str) -> Result<usize, &'static str> {
    let text = text.trim();
    let unit = |(unit, bytes): &(&str, usize)| Some((text.strip_suffix(unit)?, *bytes));
    let (number, unit) = UNITS.iter().find_map(unit).unwrap_or((text, 1));
    let number = number.trim_end();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is no size; write 64MiB, 512KiB or a number of bytes");
    }
    // So many digits that they do not fit are too much in any unit.
    let number: usize = number.parse().unwrap_or(usize::MAX);
    match number.checked_mul(unit) {
        Some(0) => Err("must be at least 1 byte"),
        Some(size) if size <= MOST => Ok(size),
        Some(_) | None => Err("must be at most 1GiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_of_bytes_or_of_a_unit() {
        let table = [
            ("1", 1),
            ("65536", 64 * KIB),
            ("512KiB", 512 * KIB),
            ("64MiB", 64 * MIB),
            (" 64 MiB ", 64 * MIB),
            ("1GiB", GIB),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_bad_size_says_what_to_write() {
        let no_size = "is no size; write 64MiB, 512KiB or a number of bytes";
        let table = [
            ("", no_size),
            ("MiB", no_size),
            ("64MB", no_size),
            ("64mib", no_size),
            ("-1", no_size),
            ("+1", no_size),
            ("1.5GiB", no_size),
            ("0", "must be at least 1 byte"),
            ("0MiB", "must be at least 1 byte"),
            ("2GiB", "must be at most 1GiB"),
            ("99999999999999999999GiB", "must be at most 1GiB"),
        ];
        for (text, what) in table {
            assert_eq!(size(text), Err(what), "{text}");
        }
    }
}
