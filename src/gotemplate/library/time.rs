//! `datetime`, and the methods of Go's package `time`.
//!
//! `TIME_METHODS`, `DURATION_METHODS`, `MONTH_METHODS`, `WEEKDAY_METHODS` and
//! `LOCATION_METHODS` are what templates can call. `String` of each is how the values print; for
//! a time without the monotonic clock reading that Go appends.

mod duration;
mod layout;

use std::rc::Rc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ZonedDateTime, civil};

use crate::function::Function;
use crate::library::mistyped;
use crate::types::Type;
use crate::value::Value;

pub(crate) use duration::DURATION_METHODS;
use layout::{month_name, weekday_name};

use Type::{Bool, Duration, Int, Int64, Location, Month, Results, Time, Weekday};

/// Methods of `time.Time`.
pub(crate) static TIME_METHODS: &[Function] = &[
    Function::fixed("Add", &[Time, Duration], Time, add),
    Function::fixed("AddDate", &[Time, Int, Int, Int], Time, add_date),
    Function::fixed("After", &[Time, Time], Bool, after),
    Function::fixed("Before", &[Time, Time], Bool, before),
    Function::fixed("Clock", &[Time], Results(3), uncallable),
    Function::fixed("Date", &[Time], Results(3), uncallable),
    Function::fixed("Day", &[Time], Int, day),
    Function::fixed("Equal", &[Time, Time], Bool, equal),
    Function::fixed("Format", &[Time, Type::String], Type::String, format),
    Function::fixed("Hour", &[Time], Int, hour),
    Function::fixed("ISOWeek", &[Time], Results(2), uncallable),
    Function::fixed("In", &[Time, Location], Time, in_location),
    Function::fixed("Local", &[Time], Time, local),
    Function::fixed("Location", &[Time], Location, location),
    Function::fixed("Minute", &[Time], Int, minute),
    Function::fixed("Month", &[Time], Month, month),
    Function::fixed("Nanosecond", &[Time], Int, nanosecond),
    Function::fixed("Round", &[Time, Duration], Time, round),
    Function::fixed("Second", &[Time], Int, second),
    Function::fixed("String", &[Time], Type::String, string),
    Function::fixed("Sub", &[Time, Time], Duration, sub),
    Function::fixed("Truncate", &[Time, Duration], Time, truncate),
    Function::fixed("UTC", &[Time], Time, utc),
    Function::fixed("Unix", &[Time], Int64, unix),
    Function::fixed("UnixMicro", &[Time], Int64, unix_micro),
    Function::fixed("UnixMilli", &[Time], Int64, unix_milli),
    Function::fixed("UnixNano", &[Time], Int64, unix_nano),
    Function::fixed("Weekday", &[Time], Weekday, weekday),
    Function::fixed("Year", &[Time], Int, year),
    Function::fixed("YearDay", &[Time], Int, year_day),
    Function::fixed("Zone", &[Time], Results(2), uncallable),
];

/// Methods of `time.Month`.
pub(crate) static MONTH_METHODS: &[Function] = &[Function::fixed(
    "String",
    &[Month],
    Type::String,
    |args| match args {
        [Value::Month(month)] => Ok(Value::string(month_name(*month))),
        _ => mistyped(),
    },
)];

/// Methods of `time.Weekday`.
pub(crate) static WEEKDAY_METHODS: &[Function] = &[Function::fixed(
    "String",
    &[Weekday],
    Type::String,
    |args| match args {
        [Value::Weekday(day)] => Ok(Value::string(weekday_name(*day))),
        _ => mistyped(),
    },
)];

/// Methods of `*time.Location`.
pub(crate) static LOCATION_METHODS: &[Function] = &[Function::fixed(
    "String",
    &[Location],
    Type::String,
    |args| match args {
        [Value::Location(zone)] => Ok(Value::string(location_name(zone))),
        _ => mistyped(),
    },
)];

fn display(time: &ZonedDateTime) -> String {
    let text = layout::format(time, b"2006-01-02 15:04:05.999999999 -0700 MST");
    String::from_utf8_lossy(&text).into_owned()
}

fn location_name(zone: &TimeZone) -> &'static str {
    if *zone == TimeZone::UTC {
        "UTC"
    } else {
        "Local"
    }
}

/// `time.Now`.
///
/// # Errors
/// Go's text.
pub fn now(args: &[Value]) -> Result<Value, String> {
    match args {
        [] => Ok(time(Timestamp::now().to_zoned_datetime(system_zone()))),
        _ => mistyped(),
    }
}

const OUT_OF_RANGE: &str = "time out of range";

/// Seconds from Go's zero time, the first of January of the year 1, to 1970.
const ZERO_TO_UNIX: i128 = 62_135_596_800;

fn time(time: ZonedDateTime) -> Value {
    Value::Time(Rc::new(time))
}

/// Without a usable zone the system's time is UTC, as Go has it.
fn system_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

fn uncallable(_: &[Value]) -> Result<Value, String> {
    mistyped()
}

fn add(args: &[Value]) -> Result<Value, String> {
    let [Value::Time(start), Value::Duration(nanoseconds)] = args else {
        return mistyped();
    };
    let end = start.checked_add(SignedDuration::from_nanos(*nanoseconds));
    end.map(time).map_err(|_| OUT_OF_RANGE.to_owned())
}

fn add_date(args: &[Value]) -> Result<Value, String> {
    let [
        Value::Time(start),
        Value::Int(years),
        Value::Int(months),
        Value::Int(days),
    ] = args
    else {
        return mistyped();
    };
    match shifted(start, *years, *months, *days) {
        Some(shifted) => Ok(time(shifted)),
        None => Err(OUT_OF_RANGE.to_owned()),
    }
}

/// A day behind the end of the new month runs on into the next one.
fn shifted(start: &ZonedDateTime, years: i64, months: i64, days: i64) -> Option<ZonedDateTime> {
    let months = years.checked_mul(12)?.checked_add(months)?;
    let month = i64::from(start.year()) * 12 + i64::from(start.month()) - 1;
    let month = month.checked_add(months)?;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let first = civil::Date::new(year.try_into().ok()?, month.try_into().ok()?, 1).ok()?;
    let days = days.checked_add(i64::from(start.day()) - 1)?;
    let date = first.checked_add(Span::new().try_days(days).ok()?).ok()?;
    let zone = start.time_zone();
    zone.to_zoned_datetime(date.to_datetime(start.time())).ok()
}

fn compared(args: &[Value], compare: fn(Timestamp, Timestamp) -> bool) -> Result<Value, String> {
    match args {
        [Value::Time(one), Value::Time(other)] => {
            Ok(Value::Bool(compare(one.timestamp(), other.timestamp())))
        }
        _ => mistyped(),
    }
}

fn after(args: &[Value]) -> Result<Value, String> {
    compared(args, |one, other| one > other)
}

fn before(args: &[Value]) -> Result<Value, String> {
    compared(args, |one, other| one < other)
}

fn equal(args: &[Value]) -> Result<Value, String> {
    compared(args, |one, other| one == other)
}

/// Go's longest durations stand for all that are longer.
fn sub(args: &[Value]) -> Result<Value, String> {
    let [Value::Time(end), Value::Time(start)] = args else {
        return mistyped();
    };
    let nanoseconds = end.timestamp().as_nanosecond() - start.timestamp().as_nanosecond();
    let nanoseconds = nanoseconds.clamp(i64::MIN.into(), i64::MAX.into());
    Ok(Value::Duration(wrapped(nanoseconds)))
}

fn format(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Time(time), Value::String(layout)] => {
            Ok(Value::string(layout::format(time, layout)))
        }
        _ => mistyped(),
    }
}

fn string(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Time(time)] => Ok(Value::string(display(time))),
        _ => mistyped(),
    }
}

fn local(args: &[Value]) -> Result<Value, String> {
    moved(args, system_zone())
}

fn utc(args: &[Value]) -> Result<Value, String> {
    moved(args, TimeZone::UTC)
}

fn in_location(args: &[Value]) -> Result<Value, String> {
    match args {
        [time, Value::Location(zone)] => moved(std::slice::from_ref(time), zone.clone()),
        _ => mistyped(),
    }
}

fn moved(args: &[Value], zone: TimeZone) -> Result<Value, String> {
    match args {
        [Value::Time(start)] => Ok(time(start.with_time_zone(zone))),
        _ => mistyped(),
    }
}

fn location(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Time(time)] => Ok(Value::Location(time.time_zone().clone())),
        _ => mistyped(),
    }
}

fn truncate(args: &[Value]) -> Result<Value, String> {
    stepped(args, |past, _| -past)
}

fn round(args: &[Value]) -> Result<Value, String> {
    stepped(
        args,
        |past, step| if past * 2 < step { -past } else { step - past },
    )
}

/// Moves a time by what `change` makes of the nanoseconds since the last full step, counted from
/// the zero time, and of the step.
fn stepped(args: &[Value], change: fn(i128, i128) -> i128) -> Result<Value, String> {
    let [Value::Time(start), Value::Duration(step)] = args else {
        return mistyped();
    };
    if *step <= 0 {
        return Ok(Value::Time(start.clone()));
    }
    let step = i128::from(*step);
    let now = start.timestamp().as_nanosecond();
    let past = (now + ZERO_TO_UNIX * 1_000_000_000).rem_euclid(step);
    match Timestamp::from_nanosecond(now + change(past, step)) {
        Ok(moved) => Ok(time(moved.to_zoned_datetime(start.time_zone().clone()))),
        Err(_) => Err(OUT_OF_RANGE.to_owned()),
    }
}

fn int(args: &[Value], field: fn(&ZonedDateTime) -> i64) -> Result<Value, String> {
    match args {
        [Value::Time(time)] => Ok(Value::Int(field(time))),
        _ => mistyped(),
    }
}

fn year(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.year().into())
}

fn year_day(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.day_of_year().into())
}

fn day(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.day().into())
}

fn hour(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.hour().into())
}

fn minute(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.minute().into())
}

fn second(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.second().into())
}

fn nanosecond(args: &[Value]) -> Result<Value, String> {
    int(args, |time| time.subsec_nanosecond().into())
}

fn month(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Time(time)] => Ok(Value::Month(time.month().unsigned_abs())),
        _ => mistyped(),
    }
}

fn weekday(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::Time(time)] => Ok(Value::Weekday(
            time.weekday().to_sunday_zero_offset().unsigned_abs(),
        )),
        _ => mistyped(),
    }
}

/// Whole units of so many nanoseconds since 1970.
fn since_1970(args: &[Value], unit: i128) -> Result<Value, String> {
    match args {
        [Value::Time(time)] => {
            let nanoseconds = time.timestamp().as_nanosecond();
            Ok(Value::Int64(wrapped(nanoseconds.div_euclid(unit))))
        }
        _ => mistyped(),
    }
}

/// Cut to 64 bits, as Go cuts.
fn wrapped(value: i128) -> i64 {
    value as i64
}

fn unix(args: &[Value]) -> Result<Value, String> {
    since_1970(args, 1_000_000_000)
}

fn unix_milli(args: &[Value]) -> Result<Value, String> {
    since_1970(args, 1_000_000)
}

fn unix_micro(args: &[Value]) -> Result<Value, String> {
    since_1970(args, 1_000)
}

fn unix_nano(args: &[Value]) -> Result<Value, String> {
    since_1970(args, 1)
}

#[cfg(test)]
mod tests;
