//! Times as text, after Go's example `Mon Jan 2 15:04:05 MST 2006`.

use jiff::ZonedDateTime;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// What to write of a time.
type Element = fn(&ZonedDateTime) -> String;

/// Elements by what stands for them in a layout. The longer come first.
static ELEMENTS: &[(&[u8], Element)] = &[
    (b"January", month),
    (b"Jan", |time| short(month(time))),
    (b"Monday", weekday),
    (b"Mon", |time| short(weekday(time))),
    (b"MST", zone_name),
    (b"2006", year),
    (b"002", |time| format!("{:03}", time.day_of_year())),
    (b"01", |time| format!("{:02}", time.month())),
    (b"02", |time| format!("{:02}", time.day())),
    (b"03", |time| format!("{:02}", hour_of_12(time))),
    (b"04", |time| format!("{:02}", time.minute())),
    (b"05", |time| format!("{:02}", time.second())),
    (b"06", |time| format!("{:02}", time.year().max(0) % 100)),
    (b"15", |time| format!("{:02}", time.hour())),
    (b"__2", |time| format!("{:3}", time.day_of_year())),
    (b"_2", |time| format!("{:2}", time.day())),
    (b"1", |time| time.month().to_string()),
    (b"2", |time| time.day().to_string()),
    (b"3", |time| hour_of_12(time).to_string()),
    (b"4", |time| time.minute().to_string()),
    (b"5", |time| time.second().to_string()),
    (b"PM", |time| half_of_day(time).to_owned()),
    (b"pm", |time| half_of_day(time).to_lowercase()),
    (b"-07:00:00", |time| offset(time, 3, ":")),
    (b"-070000", |time| offset(time, 3, "")),
    (b"-07:00", |time| offset(time, 2, ":")),
    (b"-0700", |time| offset(time, 2, "")),
    (b"-07", |time| offset(time, 1, "")),
    (b"Z07:00:00", |time| utc_or_offset(time, 3, ":")),
    (b"Z070000", |time| utc_or_offset(time, 3, "")),
    (b"Z07:00", |time| utc_or_offset(time, 2, ":")),
    (b"Z0700", |time| utc_or_offset(time, 2, "")),
    (b"Z07", |time| utc_or_offset(time, 1, "")),
];

/// `time.Time.Format`
pub(super) fn format(time: &ZonedDateTime, mut layout: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(layout.len() + 8);
    while let Some((&byte, behind)) = layout.split_first() {
        if let Some((fraction, rest)) = fraction(time, layout) {
            text.extend_from_slice(fraction.as_bytes());
            layout = rest;
        } else if let Some((element, rest)) = element(layout) {
            text.extend_from_slice(element(time).as_bytes());
            layout = rest;
        } else {
            text.push(byte);
            layout = behind;
        }
    }
    text
}

/// `time.Month.String`
pub(super) fn month_name(month: u8) -> String {
    let name = MONTHS.get(usize::from(month).wrapping_sub(1));
    name.map_or_else(|| format!("%!Month({month})"), ToString::to_string)
}

/// `time.Weekday.String`
pub(super) fn weekday_name(day: u8) -> String {
    let name = WEEKDAYS.get(usize::from(day));
    name.map_or_else(|| format!("%!Weekday({day})"), ToString::to_string)
}

/// What `layout` begins with, if it stands for something, and the rest.
fn element(layout: &[u8]) -> Option<(Element, &[u8])> {
    // An underscore and a year, not a day and three digits.
    if layout.starts_with(b"_2006") {
        return None;
    }
    ELEMENTS.iter().find_map(|&(name, element)| {
        let rest = layout.strip_prefix(name)?;
        let word_goes_on = rest.first().is_some_and(u8::is_ascii_lowercase);
        let in_word = matches!(name, b"Jan" | b"Mon") && word_goes_on;
        (!in_word).then_some((element, rest))
    })
}

/// A fraction of a second: a point or a comma and zeros, or nines if zeros at the end are to be
/// left out. It has to be the end of the digits.
fn fraction<'a>(time: &ZonedDateTime, layout: &'a [u8]) -> Option<(String, &'a [u8])> {
    let (point @ (b'.' | b','), rest) = layout.split_first()? else {
        return None;
    };
    let digit = *rest.first()?;
    let length = rest.iter().take_while(|&&byte| byte == digit).count();
    let (_, rest) = rest.split_at(length);
    if !matches!(digit, b'0' | b'9') || rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let mut digits = format!("{:09}", time.subsec_nanosecond());
    digits.truncate(length);
    if digit == b'9' {
        digits.truncate(digits.trim_end_matches('0').len());
    }
    if !digits.is_empty() {
        digits.insert(0, char::from(*point));
    }
    Some((digits, rest))
}

fn short(mut name: String) -> String {
    name.truncate(3);
    name
}

fn month(time: &ZonedDateTime) -> String {
    month_name(time.month().unsigned_abs())
}

fn weekday(time: &ZonedDateTime) -> String {
    weekday_name(time.weekday().to_sunday_zero_offset().unsigned_abs())
}

fn year(time: &ZonedDateTime) -> String {
    let sign = if time.year() < 0 { "-" } else { "" };
    format!("{sign}{:04}", time.year().unsigned_abs())
}

fn hour_of_12(time: &ZonedDateTime) -> i8 {
    match time.hour() % 12 {
        0 => 12,
        hour => hour,
    }
}

fn half_of_day(time: &ZonedDateTime) -> &'static str {
    if time.hour() < 12 { "AM" } else { "PM" }
}

fn zone_name(time: &ZonedDateTime) -> String {
    let zone = time.time_zone().to_offset_info(time.timestamp());
    zone.abbreviation().to_owned()
}

/// Hours, minutes and seconds that local time is ahead, the first `parts` of them.
fn offset(time: &ZonedDateTime, parts: usize, separator: &str) -> String {
    let seconds = time.offset().seconds();
    let sign = if seconds <= -60 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let all = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let shown: Vec<_> = all
        .iter()
        .take(parts)
        .map(|part| format!("{part:02}"))
        .collect();
    format!("{sign}{}", shown.join(separator))
}

fn utc_or_offset(time: &ZonedDateTime, parts: usize, separator: &str) -> String {
    if time.offset().is_zero() {
        return "Z".to_owned();
    }
    offset(time, parts, separator)
}
