//! `time.Duration`

use crate::function::Function;
use crate::library::mistyped;
use crate::types::Type;
use crate::value::Value;

use Type::{Duration, Float, Int64};

/// Methods of `time.Duration`.
pub(crate) static DURATION_METHODS: &[Function] = &[
    Function::fixed("Abs", &[Duration], Duration, abs),
    Function::fixed("Hours", &[Duration], Float, hours),
    Function::fixed("Microseconds", &[Duration], Int64, microseconds),
    Function::fixed("Milliseconds", &[Duration], Int64, milliseconds),
    Function::fixed("Minutes", &[Duration], Float, minutes),
    Function::fixed("Nanoseconds", &[Duration], Int64, nanoseconds),
    Function::fixed("Round", &[Duration, Duration], Duration, round),
    Function::fixed("Seconds", &[Duration], Float, seconds),
    Function::fixed("String", &[Duration], Type::String, string),
    Function::fixed("Truncate", &[Duration, Duration], Duration, truncate),
];

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// `time.Duration.String`
pub(super) fn display(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let rest = nanoseconds.unsigned_abs();
    let text = match rest {
        0 => "0s".to_owned(),
        1..MICROSECOND => format!("{rest}ns"),
        MICROSECOND..MILLISECOND => format!("{}µs", decimal(rest, MICROSECOND)),
        MILLISECOND..SECOND => format!("{}ms", decimal(rest, MILLISECOND)),
        SECOND..MINUTE => format!("{}s", decimal(rest, SECOND)),
        MINUTE..HOUR => format!("{}m{}s", rest / MINUTE, decimal(rest % MINUTE, SECOND)),
        HOUR.. => format!(
            "{}h{}m{}s",
            rest / HOUR,
            rest % HOUR / MINUTE,
            decimal(rest % MINUTE, SECOND)
        ),
    };
    format!("{sign}{text}")
}

/// A number of units, with as many decimals as it takes.
fn decimal(nanoseconds: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", nanoseconds / unit, nanoseconds % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn float(args: &[Value], unit: u64) -> Result<Value, String> {
    let [Value::Duration(nanoseconds)] = args else {
        return mistyped();
    };
    let unit = unit.cast_signed();
    let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
    Ok(Value::Float(whole as f64 + rest as f64 / unit as f64))
}

fn hours(args: &[Value]) -> Result<Value, String> {
    float(args, HOUR)
}

fn minutes(args: &[Value]) -> Result<Value, String> {
    float(args, MINUTE)
}

fn seconds(args: &[Value]) -> Result<Value, String> {
    float(args, SECOND)
}

fn whole(args: &[Value], unit: u64) -> Result<Value, String> {
    match args {
        [Value::Duration(nanoseconds)] => Ok(Value::Int64(nanoseconds / unit.cast_signed())),
        _ => mistyped(),
    }
}

fn milliseconds(args: &[Value]) -> Result<Value, String> {
    whole(args, MILLISECOND)
}

fn microseconds(args: &[Value]) -> Result<Value, String> {
    whole(args, MICROSECOND)
}

fn nanoseconds(args: &[Value]) -> Result<Value, String> {
    whole(args, 1)
}

fn string(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Duration(nanoseconds)] => Ok(Value::string(display(*nanoseconds))),
        _ => mistyped(),
    }
}

fn abs(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Duration(nanoseconds)] => Ok(Value::Duration(nanoseconds.saturating_abs())),
        _ => mistyped(),
    }
}

fn truncate(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Duration(duration), Value::Duration(unit)] if *unit > 0 => {
            Ok(Value::Duration(duration - duration % unit))
        }
        [duration, Value::Duration(_)] => Ok(duration.clone()),
        _ => mistyped(),
    }
}

/// Halves go away from zero.
fn round(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Duration(duration), Value::Duration(unit)] if *unit > 0 => {
            let rest = duration % unit;
            let down = duration - rest;
            let is_half = rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs();
            let step = if is_half { unit * duration.signum() } else { 0 };
            Ok(Value::Duration(down.saturating_add(step)))
        }
        [duration, Value::Duration(_)] => Ok(duration.clone()),
        _ => mistyped(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(method: &str, args: &[i64]) -> String {
        let method = DURATION_METHODS
            .iter()
            .find(|found| found.signature().name == method);
        let args: Vec<_> = args.iter().copied().map(Value::Duration).collect();
        match method.unwrap().call(&(), &args) {
            Ok(Value::Duration(nanoseconds)) => display(nanoseconds),
            Ok(Value::Int64(number)) => number.to_string(),
            Ok(Value::Float(number)) => number.to_string(),
            Ok(Value::String(text)) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_duration_prints_in_the_units_that_fit() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (999_999_999, "999.999999ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (-90_000_000_000, "-1m30s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(display(nanoseconds), text);
            assert_eq!(called("String", &[nanoseconds]), text);
        }
    }

    #[test]
    fn a_duration_is_counted_in_units() {
        let duration = -5_400_000_500_000;
        assert_eq!(called("Hours", &[5_400_000_000_000]), "1.5");
        assert_eq!(called("Minutes", &[5_400_000_000_000]), "90");
        assert_eq!(called("Seconds", &[1_500_000_000]), "1.5");
        assert_eq!(called("Milliseconds", &[duration]), "-5400000");
        assert_eq!(called("Microseconds", &[duration]), "-5400000500");
        assert_eq!(called("Nanoseconds", &[duration]), duration.to_string());
        assert_eq!(called("Abs", &[duration]), "1h30m0.0005s");
        assert_eq!(called("Abs", &[i64::MIN]), display(i64::MAX));
    }

    #[test]
    fn a_duration_is_rounded_and_cut_to_a_unit() {
        let second = 1_000_000_000;
        assert_eq!(called("Truncate", &[1_999_000_000, second]), "1s");
        assert_eq!(called("Truncate", &[-1_999_000_000, second]), "-1s");
        assert_eq!(called("Round", &[1_500_000_000, second]), "2s");
        assert_eq!(called("Round", &[1_499_999_999, second]), "1s");
        assert_eq!(called("Round", &[-1_500_000_000, second]), "-2s");
        assert_eq!(called("Round", &[1_500_000_000, 0]), "1.5s");
        assert_eq!(called("Truncate", &[1_500_000_000, -second]), "1.5s");
        assert_eq!(called("Round", &[i64::MAX, second]), display(i64::MAX));
    }
}
