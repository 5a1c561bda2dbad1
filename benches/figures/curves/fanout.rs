//! One change of a key that so many proxies watch, on the same two cores.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Line, plot, table};
use crate::harness::{Confdir, Etcd, Running, SOON, eventually};
use crate::process::{cpu, ms, pss};
use crate::proxy::inode;
use crate::report::mid;

const SIZES: [u16; 6] = [1, 10, 50, 100, 250, 500];
const CHANGES: u32 = 8;

pub fn draw() {
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    let (mut etcds, mut proxies) = (Vec::new(), Vec::new());
    for count in SIZES {
        let x = f64::from(count);
        let found = measure(count);
        firsts.push((x, mid(&found.firsts)));
        lasts.push((x, mid(&found.lasts)));
        etcds.push((x, found.etcd));
        proxies.push((x, found.each_mb));
    }
    let lines: [Line<'_>; 3] = [
        ("put → first file, ms", firsts),
        ("put → last file, ms", lasts),
        ("etcd's CPU per change, ms", etcds),
    ];
    plot(
        "fanout",
        "One change, watched by so many proxies",
        "proxies",
        "ms",
        &lines,
    );
    let [first, last, etcd] = lines;
    table(
        "proxies",
        &[first, last, etcd, ("memory of each (PSS), MB", proxies)],
    );
}

struct Found {
    firsts: Vec<f64>,
    lasts: Vec<f64>,
    etcd: f64,
    each_mb: f64,
}

fn measure(count: u16) -> Found {
    let etcd = Etcd::start();
    etcd.put_each((0..10).map(|n| (format!("/services/web/{n}"), format!("10.0.0.{n}:80"))));
    let template = "{{range getvs \"/services/web/*\"}}server {{.}};\n{{end}}";
    let proxies: Vec<_> = (0..count)
        .map(|_| {
            let confdir = Confdir::new().with("app.conf", "keys = [\"/services/web\"]", template);
            let proxy = Running::proxy(&etcd.url(), &confdir, &[]);
            (proxy, confdir)
        })
        .collect();
    let files: Vec<PathBuf> = proxies
        .iter()
        .map(|(_, confdir)| confdir.dest("app.conf"))
        .collect();
    let follow = |seen: &[u64]| {
        eventually("all files", 6 * SOON, || {
            let behind = files
                .iter()
                .zip(seen)
                .filter(|(file, seen)| inode(file) == **seen);
            match behind.count() {
                0 => Ok(()),
                some => Err(format!("{some} are behind")),
            }
        });
    };
    follow(&vec![0; files.len()]);
    sleep(Duration::from_secs(1));
    let mut putter = etcd.putter();
    let used = cpu(etcd.id());
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for n in 0..CHANGES {
        let mut behind: Vec<_> = files.iter().map(|file| (file, inode(file))).collect();
        let begun = Instant::now();
        putter.put("/services/web/3", &format!("10.1.1.1:{}", 1_000 + n));
        let mut first = None;
        while !behind.is_empty() {
            behind.retain(|(file, seen)| inode(file) == *seen);
            if behind.len() < files.len() {
                first.get_or_insert_with(|| begun.elapsed());
            }
            assert!(begun.elapsed() < SOON, "{} are behind", behind.len());
            sleep(Duration::from_micros(200));
        }
        firsts.push(ms(first.unwrap()));
        lasts.push(ms(begun.elapsed()));
        sleep(Duration::from_millis(200));
    }
    let used = cpu(etcd.id()) - used;
    let memory: f64 = proxies.iter().map(|(proxy, _)| pss(proxy.id())).sum();
    Found {
        firsts,
        lasts,
        etcd: ms(used / CHANGES),
        each_mb: memory / f64::from(count),
    }
}
