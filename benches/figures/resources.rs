//! Many resources over parts of one tree: a change is to cost those that read it, and no others.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Confdir, Etcd, Running, SOON, eventually};
use crate::process::{cpu, ms, rss};
use crate::proxy::inode;
use crate::report::{Budget, REGISTER, Report};

const RESOURCES: usize = 1_000;
const KEYS_OF_EACH: usize = 10;
const CHANGES: usize = 40;
/// Coprime to the count of resources: each change is another's.
const STRIDE: usize = 37;

pub fn measure(report: &mut Report) {
    let etcd = Etcd::start();
    let pairs = (0..RESOURCES * KEYS_OF_EACH).map(|n| (key(n / KEYS_OF_EACH, n), n.to_string()));
    etcd.put_each(pairs);
    let confdir = confdir();
    let begun_at = Instant::now();
    let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
    eventually("all files", SOON, || match confdir.files().len() {
        RESOURCES => Ok(()),
        count => Err(format!("{count} files")),
    });
    let first = vec![ms(begun_at.elapsed())];
    sleep(Duration::from_secs(1));

    let before = inodes(&confdir);
    let used = cpu(proxy.id());
    let times: Vec<_> = (0..CHANGES).map(|n| change(&etcd, &confdir, n)).collect();
    let used = cpu(proxy.id()) - used;
    let others = inodes(&confdir).into_iter().zip(before);
    let replaced = others.filter(|(now, before)| now != before).count();
    assert_eq!(replaced, CHANGES, "each change is one file's");

    let used = vec![ms(used / u32::try_from(CHANGES).unwrap())];
    let keys = RESOURCES * KEYS_OF_EACH;
    let what = |what| format!("{what}, {RESOURCES} resources over one tree of {keys} keys");
    report.add(&what("put → file"), "ms", times, Budget::AtMost(10.0));
    report.beside(&what("CPU per change"), REGISTER, "ms", used);
    report.beside(&what("start → all files"), REGISTER, "ms", first);
    report.beside(&what("proxy RSS"), REGISTER, "MB", vec![rss(proxy.id())]);
}

fn confdir() -> Confdir {
    let confdir = Confdir::new();
    for number in 0..RESOURCES {
        let fields = format!("keys = [\"/fleet/{number:04}\"]");
        let template =
            format!("{{{{range getvs \"/fleet/{number:04}/*\"}}}}{{{{.}}}}\n{{{{end}}}}");
        confdir.add(&name(number), &fields, &template);
    }
    confdir
}

/// Puts another value for one resource, and waits for its file: the time in ms.
fn change(etcd: &Etcd, confdir: &Confdir, count: usize) -> f64 {
    let number = count * STRIDE % RESOURCES;
    let dest = confdir.dest(&name(number));
    let mut putter = etcd.putter();
    let seen = inode(&dest);
    let begun_at = Instant::now();
    putter.put(&key(number, number * KEYS_OF_EACH), "changed");
    while inode(&dest) == seen {
        sleep(Duration::from_micros(50));
        assert!(begun_at.elapsed() < SOON, "the file does not follow");
    }
    let took = begun_at.elapsed();
    // Out of the debounce.
    sleep(Duration::from_millis(80));
    ms(took)
}

fn inodes(confdir: &Confdir) -> Vec<u64> {
    let dests: Vec<PathBuf> = (0..RESOURCES)
        .map(|number| confdir.dest(&name(number)))
        .collect();
    dests.iter().map(|dest| inode(dest)).collect()
}

fn name(number: usize) -> String {
    format!("{number:04}.conf")
}

fn key(resource: usize, n: usize) -> String {
    format!("/fleet/{resource:04}/{n:06}")
}
