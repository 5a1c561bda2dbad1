//! Floating-point numbers.

use super::Printer;

/// A `float64` has no more digits than this after its point; what is asked for beyond is zeros.
const MOST_DIGITS: usize = 1100;

impl Printer<'_> {
    /// A number under one of the verbs `v b e E f F g G x X`.
    pub(super) fn print_float(&mut self, value: f64, verb: char) -> bool {
        match verb {
            'v' => self.print_number(value, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.print_number(value, verb, None),
            'f' | 'e' | 'E' => self.print_number(value, verb, Some(6)),
            'F' => self.print_number(value, 'f', Some(6)),
            _ => return false,
        }
        true
    }

    /// A complex number under one of the verbs of floats.
    pub(super) fn print_complex(&mut self, real: f64, imaginary: f64, verb: char) -> bool {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return false;
        }
        let plus = self.flags.plus;
        self.out.push(b'(');
        self.print_float(real, verb);
        self.flags.plus = true;
        self.print_float(imaginary, verb);
        self.out.extend_from_slice(b"i)");
        self.flags.plus = plus;
        true
    }

    fn print_number(&mut self, value: f64, verb: char, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        let sign = match (value.is_sign_negative() && !value.is_nan(), self.flags) {
            (true, _) => "-",
            (false, flags) if flags.plus => "+",
            (false, flags) if flags.space => " ",
            _ => "",
        };
        if !value.is_finite() {
            let name = if value.is_nan() { "NaN" } else { "Inf" };
            let sign = if value.is_infinite() && sign.is_empty() {
                "+"
            } else {
                sign
            };
            self.pad_with_spaces(format!("{sign}{name}").as_bytes());
            return;
        }
        let mut number = format_float(value.abs(), verb, precision);
        if self.flags.sharp && verb != 'b' {
            number = with_point(&number, verb, precision);
        }
        let width = self.flags.width.unwrap_or(0);
        if self.flags.zero && !sign.is_empty() && width > sign.len() + number.len() {
            self.out.extend_from_slice(sign.as_bytes());
            self.write_padding(width - sign.len() - number.len());
            self.out.extend_from_slice(number.as_bytes());
        } else {
            self.pad(format!("{sign}{number}").as_bytes());
        }
    }
}

/// What the flag `#` asks for: a decimal point, and for `g` no trailing zeros removed.
fn with_point(number: &str, verb: char, precision: Option<usize>) -> String {
    let exponent_letters: &[char] = match verb {
        'x' | 'X' => &['p', 'P'],
        _ => &['e', 'E'],
    };
    let split = number.find(exponent_letters).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at(split);
    let mut text = mantissa.to_owned();
    if !mantissa.contains('.') {
        text.push('.');
    }
    if matches!(verb, 'g' | 'G' | 'x') {
        let significant = match mantissa.trim_start_matches(['0', '.']) {
            "" => usize::from(mantissa == "0"),
            // Of 0x1.8p+00 also the x counts, as in Go.
            digits => digits.bytes().filter(|&byte| byte != b'.').count(),
        };
        let zeros = precision.unwrap_or(6).saturating_sub(significant);
        text.extend(std::iter::repeat_n('0', zeros));
    }
    text + exponent
}

/// `strconv.FormatFloat` of a finite number without sign.
fn format_float(value: f64, verb: char, precision: Option<usize>) -> String {
    match verb {
        'b' => format_binary(value),
        'e' | 'E' => {
            let precision = precision.unwrap_or(6);
            format_exponent(&Decimal::rounded(value, precision + 1), precision, verb)
        }
        'f' => format_fixed(value, precision.unwrap_or(6)),
        'x' | 'X' => format_hex(value, precision, verb),
        _ => format_general(value, precision, verb),
    }
}

/// Significant digits and where the point stands: `0.digits × 10^point`.
struct Decimal {
    /// Without zeros at the end; none for zero.
    digits: String,
    point: i32,
}

impl Decimal {
    /// The fewest digits that mean `value`.
    fn shortest(value: f64) -> Self {
        Self::parse(&format!("{value:e}"))
    }

    /// So many digits.
    fn rounded(value: f64, digits: usize) -> Self {
        let precision = digits.clamp(1, MOST_DIGITS) - 1;
        Self::parse(&format!("{value:.precision$e}"))
    }

    fn parse(scientific: &str) -> Self {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let digits: String = mantissa.chars().filter(|&digit| digit != '.').collect();
        let digits = digits.trim_end_matches('0').to_owned();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let point = if digits.is_empty() { 0 } else { exponent + 1 };
        Self { digits, point }
    }

    fn len(&self) -> usize {
        self.digits.len()
    }
}

/// `d.dddde±dd` with `precision` digits after the point.
fn format_exponent(decimal: &Decimal, precision: usize, letter: char) -> String {
    let mut text = String::with_capacity(precision + 8);
    let mut digits = decimal.digits.chars();
    text.push(digits.next().unwrap_or('0'));
    if precision > 0 {
        text.push('.');
        text.extend(digits.chain(std::iter::repeat('0')).take(precision));
    }
    let exponent = if decimal.digits.is_empty() {
        0
    } else {
        decimal.point - 1
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    text + &format!("{letter}{sign}{:02}", exponent.abs())
}

fn format_fixed(value: f64, precision: usize) -> String {
    let digits = precision.min(MOST_DIGITS);
    let mut text = format!("{value:.digits$}");
    text.extend(std::iter::repeat_n('0', precision - digits));
    text
}

/// `%g`: with an exponent when it is small or beyond the precision.
fn format_general(value: f64, precision: Option<usize>, verb: char) -> String {
    let decimal = match precision {
        None => Decimal::shortest(value),
        Some(precision) => Decimal::rounded(value, precision.max(1)),
    };
    let len = i32::try_from(decimal.len()).unwrap_or(i32::MAX);
    let limit = match precision {
        None => 6,
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if precision > len && len >= decimal.point {
                len
            } else {
                precision
            }
        }
    };
    let exponent = decimal.point - 1;
    if exponent < -4 || exponent >= limit {
        let letter = if verb == 'G' { 'E' } else { 'e' };
        return format_exponent(&decimal, decimal.len().saturating_sub(1), letter);
    }
    plain(&decimal)
}

/// All digits, without an exponent.
fn plain(decimal: &Decimal) -> String {
    let Ok(point) = usize::try_from(decimal.point) else {
        let zeros = decimal.point.unsigned_abs();
        return format!(
            "0.{:0>width$}",
            decimal.digits,
            width = decimal.len() + zeros as usize
        );
    };
    if decimal.digits.is_empty() {
        return "0".to_owned();
    }
    match decimal.digits.split_at_checked(point) {
        None | Some((_, "")) => format!("{:0<point$}", decimal.digits),
        Some(("", fraction)) => format!("0.{fraction}"),
        Some((whole, fraction)) => format!("{whole}.{fraction}"),
    }
}

/// The number as an integer times a power of two.
fn format_binary(value: f64) -> String {
    let (mantissa, exponent) = split_bits(value);
    format!("{mantissa}p{exponent:+}")
}

/// `0x1.8p+01`
fn format_hex(value: f64, precision: Option<usize>, letter: char) -> String {
    const TOP: u32 = 60;
    let (mut mantissa, mut exponent) = split_bits(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros() - (63 - TOP);
        mantissa <<= shift;
        exponent += 60 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(digits @ 0..15) = precision {
        let kept = u64::MAX << (TOP - 4 * u32::try_from(digits).unwrap_or(0));
        let half = !kept / 2 + 1;
        let is_odd = mantissa & kept & kept.wrapping_neg() != 0;
        let rest = mantissa & !kept;
        mantissa &= kept;
        if rest > half || (rest == half && is_odd) {
            mantissa += !kept + 1;
        }
        if mantissa >> (TOP + 1) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:015x}", mantissa & ((1 << TOP) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(digits) if digits < fraction.len() => fraction.truncate(digits),
        Some(digits) => fraction.extend(std::iter::repeat_n('0', digits - fraction.len())),
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let whole = mantissa >> TOP;
    let text = format!("0x{whole}{point}{fraction}p{sign}{:02}", exponent.abs());
    if letter == 'X' {
        text.to_uppercase()
    } else {
        text
    }
}

/// The mantissa as an integer, and the power of two that it is multiplied with.
fn split_bits(value: f64) -> (u64, i32) {
    const MANTISSA_BITS: u32 = 52;
    let bits = value.to_bits();
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    match i32::try_from(bits >> MANTISSA_BITS & 0x7ff).unwrap_or(0) {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << MANTISSA_BITS, exponent - 1075),
    }
}
