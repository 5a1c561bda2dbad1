use std::process::Command;
use std::time::{Duration, Instant};

use crate::access::etcd_with_users;
use crate::harness::running::outcome;
use crate::harness::wire::Line;
use crate::harness::{Etcd, Logged, Wire, register};

fn list(url: &str, words: &[&str]) -> Command {
    let mut command = register();
    command.args(["list", "--endpoints", url]).args(words);
    command
}

/// The keys that it shows.
fn keys(command: &mut Command) -> Vec<String> {
    let (code, table, complaint) = outcome(command);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let rows = table.lines().skip(1);
    rows.map(|row| row.split("  ").next().unwrap().to_owned())
        .collect()
}

#[test]
fn more_is_listed_than_one_message_may_hold() {
    let etcd = Etcd::start();
    let value = "v".repeat(250);
    etcd.put_each((0..30_000).map(|n| (format!("/big/{n:05}"), value.clone())));
    let shown = keys(&mut list(&etcd.url(), &["/big"]));
    assert_eq!(shown.len(), 30_000);
    assert_eq!(
        (shown[0].as_str(), shown[29_999].as_str()),
        ("/big/00000", "/big/29999")
    );
    let megabyte = "v".repeat(1 << 20);
    for n in 0..8 {
        etcd.putter().put(&format!("/wide/{n}"), &megabyte);
    }
    assert_eq!(keys(&mut list(&etcd.url(), &["/wide"])).len(), 8);
}

#[test]
fn how_long_listing_takes_does_not_depend_on_how_many_leases_there_are_times_the_way_to_etcd() {
    let etcd = Etcd::start();
    etcd.put_each_leased((0..500).map(|n| (format!("/few/{n:03}"), "10.0.0.5:80".to_owned())));
    let wire = Wire::to(etcd.address());
    let late = Line::Slow(Duration::from_millis(30));
    wire.set(late, late);
    let begun = Instant::now();
    let (code, json, complaint) = outcome(&mut list(&wire.url(), &["/few", "--output", "json"]));
    assert_eq!((code, complaint.as_str()), (0, ""));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let entries: serde_json::Value = serde_json::from_str(&json).unwrap();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.len(), 500);
    assert!(
        entries
            .iter()
            .all(|entry| entry["ttl_left"].as_u64() > Some(0))
    );
}

#[test]
fn a_role_on_what_lies_below_is_enough_to_list_it() {
    let etcd = etcd_with_users();
    etcd.put_leased("/services/web/10.0.0.5", "10.0.0.5:80", 60);
    etcd.ctl(&["put", "/services/db/10.0.0.6", "10.0.0.6:80"]);
    let list = |place| list(&etcd.url(), &[place, "--user", "web:sesame"]);
    assert_eq!(keys(&mut list("/services/web")), ["/services/web/10.0.0.5"]);
    assert_eq!(
        keys(&mut list("/services/web/")),
        ["/services/web/10.0.0.5"]
    );
    for place in ["/services", "/services/db", "/", ""] {
        let (code, said, complaint) = outcome(&mut list(place));
        assert_eq!((code, said.as_str()), (3, ""), "{place}");
        assert!(
            complaint.contains("with the slash at its end"),
            "{complaint}"
        );
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[test]
fn a_role_on_the_key_alone_shows_the_key_and_says_that_more_may_be_there() {
    let etcd = etcd_with_users();
    etcd.ctl(&["role", "grant-permission", "web", "read", "/services/db"]);
    etcd.ctl(&["put", "/services/db", "10.0.0.6:80"]);
    let flags = ["--user", "web:sesame", "--log-format", "json"];
    let mut command = list(&etcd.url(), &["/services/db"]);
    let (code, said, complaint) = outcome(command.args(flags));
    assert_eq!(code, 0, "{complaint}");
    assert!(said.contains("/services/db  10.0.0.6:80"), "{said}");
    let warnings = Logged::of(&complaint, "read_denied");
    assert_eq!(warnings.len(), 1, "{complaint}");
    assert!(warnings[0].tells("/services/db/"), "{complaint}");
}

#[test]
fn keys_without_a_leading_slash_are_listed_too() {
    let etcd = Etcd::start();
    for key in ["kit", "kit/a", "kitchen", "/kit/b"] {
        etcd.ctl(&["put", key, "10.0.0.5:80"]);
    }
    let shown = |place| keys(&mut list(&etcd.url(), &[place]));
    assert_eq!(shown("kit"), ["kit", "kit/a"]);
    assert_eq!(shown("kit/"), ["kit/a"]);
    assert_eq!(shown("/"), ["/kit/b"]);
    assert_eq!(shown(""), ["/kit/b", "kit", "kit/a", "kitchen"]);
}
