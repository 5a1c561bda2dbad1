use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::{outcome, render};
use crate::harness::{Confdir, Etcd, Line, Logged, Running, SOON, Wire, eventually, figure};

/// Resources with two keys of their own each.
const RESOURCES: usize = 100;

/// A quarter of what it would take one read after the other.
const ALL_READ: Duration = Duration::from_secs(3);

/// For a loaded machine.
const SLACK: Duration = Duration::from_secs(5);

fn name(number: usize) -> String {
    format!("{number:03}.conf")
}

fn add(confdir: &Confdir, number: usize) {
    let keys = format!("keys = [\"/a/{number:03}\", \"/b/{number:03}\"]");
    let template = format!("{{{{getv \"/a/{number:03}/x\"}}}} {{{{getv \"/b/{number:03}/x\"}}}}\n");
    confdir.add(&name(number), &keys, &template);
}

/// A hundred resources, the keys that they read, and some more.
fn many_resources() -> (Etcd, Confdir) {
    let (etcd, confdir) = (Etcd::start(), Confdir::new());
    (0..RESOURCES).for_each(|number| add(&confdir, number));
    let keys = (0..=RESOURCES)
        .flat_map(|number| ["a", "b"].map(|top| (format!("/{top}/{number:03}/x"), "1".to_owned())));
    etcd.put_each(keys);
    (etcd, confdir)
}

/// 20 ms each way.
fn far_away(etcd: &Etcd) -> Wire {
    let wire = Wire::to(etcd.address());
    let slow = Line::Slow(Duration::from_millis(20));
    wire.set(slow, slow);
    wire
}

fn wait_for_all(confdir: &Confdir, limit: Duration) {
    eventually("all files are there", limit, || {
        let is_there = |number: &usize| confdir.read(&name(*number)).as_deref() == Some("1 1\n");
        let count = (0..RESOURCES).filter(is_there).count();
        if count == RESOURCES {
            Ok(())
        } else {
            Err(count.to_string())
        }
    });
}

#[test]
fn many_trees_far_away_are_read_side_by_side() {
    let (etcd, confdir) = many_resources();
    let wire = far_away(&etcd);
    let since = Instant::now();
    let _proxy = Running::proxy(&wire.url(), &confdir, &[]);
    wait_for_all(&confdir, ALL_READ + SLACK);
    figure(&format!(
        "{RESOURCES} resources, 20 ms each way: in step after {:?}",
        since.elapsed()
    ));
}

#[test]
fn a_key_that_a_hangup_adds_is_read_alone_while_the_others_follow() {
    let (etcd, confdir) = many_resources();
    let wire = far_away(&etcd);
    let proxy = Running::proxy(&wire.url(), &confdir, &["--log-level", "debug"]);
    wait_for_all(&confdir, ALL_READ + SLACK);
    let keys_read = || -> Vec<String> {
        let read = Logged::lines(&proxy.log());
        let read = read.iter().filter(|line| line.event() == "keys_read");
        read.map(|line| line.number("keys").to_string()).collect()
    };
    assert_eq!(keys_read(), ["200"]);
    // What is added takes several answers, and a change of the others is told in one.
    let slow = Line::Slow(Duration::from_millis(300));
    wire.set(slow, slow);
    add(&confdir, RESOURCES);
    proxy.signal(Signal::HUP);
    proxy.wait_for_event("conf_d_reloading", SOON);
    etcd.putter().put("/a/000/x", "2");
    confdir.wait_for(&name(0), "2 1\n", SOON);
    assert_eq!(confdir.read(&name(RESOURCES)), None, "yet to be read");
    confdir.wait_for(&name(RESOURCES), "1 1\n", SOON);
    assert_eq!(keys_read(), ["200", "2"]);
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
}

/// 5,000 keys of 2 KiB each.
const LARGE: usize = 5_000;
const LARGE_KEYS: &str = "keys = [\"/large\"]";
const LARGE_FILE: &str = "{{range ls \"/large\"}}{{.}}\n{{end}}";

fn with_much_to_read() -> (Etcd, Confdir, String) {
    let (etcd, confdir) = (Etcd::start(), Confdir::new());
    let value = "x".repeat(2 << 10);
    etcd.put_each((0..LARGE).map(|number| (format!("/large/{number:04}"), value.clone())));
    let file = (0..LARGE).map(|number| format!("{number:04}\n")).collect();
    (etcd, confdir, file)
}

/// 1 MB a second, either way.
fn narrow(etcd: &Etcd) -> Wire {
    let wire = Wire::to(etcd.address());
    let line = Line::Narrow(Duration::ZERO, 1_000_000);
    wire.set(line, line);
    wire
}

/// What is large takes ten seconds by itself, and what arrived in vain is read again.
const NARROW_LIMIT: Duration = Duration::from_secs(45);

#[test]
fn one_pass_over_a_narrow_way_takes_its_time_and_succeeds() {
    let (etcd, confdir, file) = with_much_to_read();
    confdir.add("large.conf", LARGE_KEYS, LARGE_FILE);
    let wire = narrow(&etcd);
    let since = Instant::now();
    let mut command = render(&wire.url(), &confdir);
    let (code, _, stderr) = outcome(command.args(["--once", "--log-format", "json"]));
    assert_eq!(code, 0, "{stderr}");
    figure(&format!(
        "one pass over 10 MB at 1 MB/s: {:?}",
        since.elapsed()
    ));
    assert_eq!(confdir.read("large.conf").unwrap(), file);
    assert!(since.elapsed() < NARROW_LIMIT);
}

#[test]
fn a_narrow_way_is_not_taken_for_a_silent_one() {
    let (etcd, confdir, file) = with_much_to_read();
    confdir.add("large.conf", LARGE_KEYS, LARGE_FILE);
    let wire = narrow(&etcd);
    let since = Instant::now();
    let proxy = Running::proxy(&wire.url(), &confdir, &[]);
    confdir.wait_for("large.conf", &file, NARROW_LIMIT);
    figure(&format!(
        "10 MB at 1 MB/s: in step after {:?}",
        since.elapsed()
    ));
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
    assert_eq!(wire.connections(), 1, "{}", proxy.log());
}

#[test]
fn what_is_followed_goes_on_while_much_more_is_read_over_a_narrow_way() {
    let (etcd, confdir, file) = with_much_to_read();
    confdir.add("small.conf", "keys = [\"/small\"]", "{{getv \"/small/x\"}}");
    etcd.ctl(&["put", "/small/x", "1"]);
    let wire = narrow(&etcd);
    let proxy = Running::proxy(&wire.url(), &confdir, &[]);
    confdir.wait_for("small.conf", "1", SOON);
    confdir.add("large.conf", LARGE_KEYS, LARGE_FILE);
    proxy.signal(Signal::HUP);
    proxy.wait_for_event("conf_d_reloading", SOON);
    let (since, before) = (Instant::now(), wire.carried());
    eventually("reading is well under way", SOON, || {
        match wire.carried() - before {
            carried if carried > 2_000_000 => Ok(()),
            carried => Err(carried.to_string()),
        }
    });
    let put = Instant::now();
    etcd.putter().put("/small/x", "2");
    confdir.wait_for("small.conf", "2", 2 * SOON);
    let change = put.elapsed();
    eventually("all is read", NARROW_LIMIT, || {
        match confdir.read("large.conf") {
            Some(found) if found == file => Ok(()),
            _ => Err(proxy.log()),
        }
    });
    figure(&format!(
        "10 MB at 1 MB/s that a hangup added: after {:?}, a change beside them after {change:?}",
        since.elapsed()
    ));
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
    assert_eq!(wire.connections(), 1, "{}", proxy.log());
}

/// Five pages of them.
const MANY: usize = 22_000;

/// Waits until a first page and a bit of it has passed over the wire, and compacts.
fn compact_while_it_is_read(etcd: &Etcd, wire: &Wire, page: usize) {
    let before = wire.carried();
    eventually("more than a page was read", SOON, || {
        match wire.carried() - before {
            carried if carried > page => Ok(()),
            carried => Err(carried.to_string()),
        }
    });
    etcd.putter()
        .put("/other", "so that there is something to compact");
    etcd.ctl(&["compact", &etcd.revision().to_string()]);
}

#[test]
fn a_read_of_many_pages_is_begun_anew_when_etcd_is_compacted_meanwhile() {
    let (etcd, confdir) = (Etcd::start(), Confdir::new());
    etcd.put_each((0..MANY).map(|number| (format!("/many/{number:05}"), "1".to_owned())));
    confdir.add(
        "many.conf",
        "keys = [\"/many\"]",
        "{{len (ls \"/many\")}}\n",
    );
    let wire = Wire::to(etcd.address());
    let slow = Line::Slow(Duration::from_millis(200));
    wire.set(slow, slow);
    let mut command = render(&wire.url(), &confdir);
    command.arg("--once");
    assert_eq!(outcome(&mut command).0, 0);
    let undisturbed = wire.carried();
    let page = undisturbed / 5;

    std::fs::remove_file(confdir.dest("many.conf")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (0..2).for_each(|_| compact_while_it_is_read(&etcd, &wire, page)));
        let (code, _, stderr) = outcome(&mut command);
        assert_eq!(code, 0, "{stderr}");
    });
    assert_eq!(confdir.read("many.conf").unwrap(), format!("{MANY}\n"));
    let disturbed = wire.carried() - undisturbed;
    assert!(
        disturbed > undisturbed + 2 * page,
        "{disturbed}, {undisturbed} at first"
    );

    std::fs::remove_file(confdir.dest("many.conf")).unwrap();
    let proxy = Running::proxy(&wire.url(), &confdir, &[]);
    (0..2).for_each(|_| compact_while_it_is_read(&etcd, &wire, page));
    confdir.wait_for("many.conf", &format!("{MANY}\n"), 2 * SOON);
    assert_eq!(proxy.said("etcd_lost"), 0, "{}", proxy.log());
}
