use jiff::tz::Offset;

use super::*;

/// 2021-03-04 05:06:07.089 in a zone, from its name or as seconds ahead.
fn example(zone: TimeZone) -> ZonedDateTime {
    let time = civil::date(2021, 3, 4).at(5, 6, 7, 89_000_000);
    zone.to_zoned_datetime(time).unwrap()
}

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn formatted(time: &ZonedDateTime, layout: &str) -> String {
    let args = [
        Value::Time(Rc::new(time.clone())),
        Value::string(layout.to_owned()),
    ];
    match called("Format", &args) {
        Ok(Value::String(text)) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn called(method: &str, args: &[Value]) -> Result<Value, String> {
    let method = TIME_METHODS
        .iter()
        .find(|found| found.signature().name == method);
    method.unwrap().call(&(), args)
}

/// What a method of the example in UTC returns, as text.
fn of_example(method: &str, args: &[Value]) -> String {
    of(&example(TimeZone::UTC), method, args)
}

fn of(receiver: &ZonedDateTime, method: &str, args: &[Value]) -> String {
    let mut all = vec![time(receiver.clone())];
    all.extend_from_slice(args);
    match called(method, &all) {
        Ok(Value::Time(time)) => display(&time),
        Ok(Value::Int(number) | Value::Int64(number)) => number.to_string(),
        Ok(Value::Bool(bool)) => bool.to_string(),
        Ok(Value::Month(month)) => month_name(month),
        Ok(Value::Weekday(day)) => weekday_name(day),
        Ok(Value::Duration(duration)) => duration::display(duration),
        Ok(Value::Location(zone)) => location_name(&zone).to_owned(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => error,
    }
}

#[test]
fn every_element_of_a_layout_is_written() {
    let time = example(TimeZone::UTC);
    for (layout, text) in [
        ("2006-01-02T15:04:05Z07:00", "2021-03-04T05:06:07Z"),
        (
            "Mon Jan _2 15:04:05 MST 2006",
            "Thu Mar  4 05:06:07 UTC 2021",
        ),
        ("Monday, 02-Jan-06 3:04PM", "Thursday, 04-Mar-21 5:06AM"),
        ("January 2, 1/2/06 03:4:5 pm", "March 4, 3/4/21 05:6:7 am"),
        ("002 __2 _2006 _2", "063  63 _2021  4"),
        (
            "Januaryx Janx Jan Mondayx Monx",
            "Marchx Janx Mar Thursdayx Monx",
        ),
        (
            "-07 -0700 -07:00 -070000 -07:00:00",
            "+00 +0000 +00:00 +000000 +00:00:00",
        ),
        ("Z07 Z0700 Z07:00 Z070000 Z07:00:00", "Z Z Z Z Z"),
        ("no elements é", "no elements é"),
        ("", ""),
    ] {
        assert_eq!(formatted(&time, layout), text, "{layout}");
    }
}

#[test]
fn fractions_follow_a_point_or_a_comma() {
    let time = example(TimeZone::UTC);
    for (layout, text) in [
        ("05.000", "07.089"),
        ("05,00", "07,08"),
        ("05.0", "07.0"),
        ("05.999999999", "07.089"),
        ("05.99", "07.08"),
        ("05.9", "07"),
        (".000000000000", ".089000000"),
        ("05.0005", "07.0007"),
        ("05.", "07."),
    ] {
        assert_eq!(formatted(&time, layout), text, "{layout}");
    }
}

#[test]
fn noon_and_midnight_are_twelve() {
    let at = |hour| civil::date(2021, 1, 1).at(hour, 0, 0, 0);
    let shown = |hour| formatted(&TimeZone::UTC.to_zoned_datetime(at(hour)).unwrap(), "3PM");
    assert_eq!(
        [shown(0), shown(11), shown(12), shown(23)],
        ["12AM", "11AM", "12PM", "11PM"]
    );
}

#[test]
fn a_zone_has_a_name_and_an_offset() {
    let layout = "MST -0700 Z07:00";
    assert_eq!(formatted(&example(berlin()), layout), "CET +0100 +01:00");
    let summer = berlin().to_zoned_datetime(civil::date(2021, 7, 1).at(0, 0, 0, 0));
    assert_eq!(formatted(&summer.unwrap(), layout), "CEST +0200 +02:00");
    let west = TimeZone::fixed(Offset::from_seconds(-(3 * 3600 + 30 * 60 + 15)).unwrap());
    assert_eq!(formatted(&example(west), "-07:00:00 -07"), "-03:30:15 -03");
}

#[test]
fn a_time_prints_with_its_zone() {
    assert_eq!(
        display(&example(TimeZone::UTC)),
        "2021-03-04 05:06:07.089 +0000 UTC"
    );
    assert_eq!(
        display(&example(berlin())),
        "2021-03-04 05:06:07.089 +0100 CET"
    );
}

#[test]
fn a_time_has_fields() {
    for (method, value) in [
        ("Year", "2021"),
        ("Month", "March"),
        ("Day", "4"),
        ("Hour", "5"),
        ("Minute", "6"),
        ("Second", "7"),
        ("Nanosecond", "89000000"),
        ("Weekday", "Thursday"),
        ("YearDay", "63"),
        ("Unix", "1614834367"),
        ("UnixMilli", "1614834367089"),
        ("UnixMicro", "1614834367089000"),
        ("UnixNano", "1614834367089000000"),
        ("Location", "UTC"),
    ] {
        assert_eq!(of_example(method, &[]), value, "{method}");
    }
}

#[test]
fn a_zone_changes_how_a_time_shows_and_not_when_it_is() {
    let berlin = example(berlin());
    assert_eq!(of(&berlin, "UTC", &[]), "2021-03-04 04:06:07.089 +0000 UTC");
    assert_eq!(of(&berlin, "Location", &[]), "Local");
    let location = Value::Location(berlin.time_zone().clone());
    assert_eq!(
        of_example("In", &[location]),
        "2021-03-04 06:06:07.089 +0100 CET"
    );
    let Ok(Value::Time(utc)) = called("UTC", &[time(berlin.clone())]) else {
        panic!("no time");
    };
    assert_eq!(of(&berlin, "Equal", &[Value::Time(utc)]), "true");
}

#[test]
fn times_are_compared() {
    let later = [time(example(TimeZone::UTC).tomorrow().unwrap())];
    assert_eq!(of_example("Before", &later), "true");
    assert_eq!(of_example("After", &later), "false");
    assert_eq!(of_example("Equal", &later), "false");
    assert_eq!(of_example("Sub", &later), "-24h0m0s");
    let ancient = TimeZone::UTC.to_zoned_datetime(civil::date(-5000, 1, 1).at(0, 0, 0, 0));
    assert_eq!(
        of_example("Sub", &[time(ancient.unwrap())]),
        duration::display(i64::MAX)
    );
}

#[test]
fn durations_and_dates_are_added() {
    let hour = 3_600_000_000_000;
    let added = of_example("Add", &[Value::Duration(-6 * hour)]);
    assert_eq!(added, "2021-03-03 23:06:07.089 +0000 UTC");
    let dated = |years, months, days| {
        of_example(
            "AddDate",
            &[Value::Int(years), Value::Int(months), Value::Int(days)],
        )
    };
    assert_eq!(dated(1, -3, 0), "2021-12-04 05:06:07.089 +0000 UTC");
    assert_eq!(dated(0, 0, -4), "2021-02-28 05:06:07.089 +0000 UTC");
    assert_eq!(dated(0, -1, 25), "2021-03-01 05:06:07.089 +0000 UTC");
    assert_eq!(dated(9_000, 0, 0), "time out of range");
    assert_eq!(dated(i64::MAX, i64::MAX, i64::MAX), "time out of range");
}

#[test]
fn a_day_behind_the_end_of_the_month_runs_on() {
    let end = TimeZone::UTC.to_zoned_datetime(civil::date(2021, 1, 31).at(0, 0, 0, 0));
    let args = [Value::Int(0), Value::Int(1), Value::Int(0)];
    assert_eq!(
        of(&end.unwrap(), "AddDate", &args),
        "2021-03-03 00:00:00 +0000 UTC"
    );
}

#[test]
fn a_time_is_cut_and_rounded_to_steps() {
    let minute = [Value::Duration(60_000_000_000)];
    let ten_seconds = Value::Duration(10_000_000_000);
    assert_eq!(
        of_example("Truncate", &minute),
        "2021-03-04 05:06:00 +0000 UTC"
    );
    assert_eq!(
        of_example("Round", &minute),
        "2021-03-04 05:06:00 +0000 UTC"
    );
    assert_eq!(
        of_example("Round", &[ten_seconds]),
        "2021-03-04 05:06:10 +0000 UTC"
    );
    let unchanged = "2021-03-04 05:06:07.089 +0000 UTC";
    assert_eq!(of_example("Truncate", &[Value::Duration(0)]), unchanged);
}

#[test]
fn datetime_is_now() {
    let before = Timestamp::now();
    let Ok(Value::Time(now)) = super::now(&[]) else {
        panic!("no time");
    };
    assert!(before <= now.timestamp() && now.timestamp() <= Timestamp::now());
}

#[test]
fn months_and_weekdays_print_their_names() {
    assert_eq!(month_name(12), "December");
    assert_eq!(month_name(13), "%!Month(13)");
    assert_eq!(weekday_name(0), "Sunday");
    assert_eq!(weekday_name(7), "%!Weekday(7)");
}
