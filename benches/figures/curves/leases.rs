//! What leases cost etcd: one key each, held by the agent's own session.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use register::config::{Announcement, EtcdConfig};
use register::etcd::session::{News, Order, Session};
use register::etcd::wire::WireDial;
use register::host::ThisHost;
use register::os::alarm::Alarm;
use register::registration::{Event, Request};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Line, plot, table};
use crate::harness::{Etcd, Owned};
use crate::process::{cpu, rss};

const SIZES: [u32; 5] = [1, 10, 100, 1_000, 10_000];
const TTL: Duration = Duration::from_secs(30);
/// Each lease is renewed three times in it.
const MEASURED: Duration = TTL;
/// Sessions that connect at the same time.
const AT_A_TIME: usize = 50;

/// Of one process, for the descriptors that it may have: each takes a socket and a timer.
const SESSIONS_EACH: u32 = 5_000;

pub fn draw() {
    let (mut cpus, mut sizes, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for count in SIZES {
        let (cpu, size, still) = measure(count);
        let x = f64::from(count);
        cpus.push((x, cpu));
        sizes.push((x, size));
        held.push((x, still));
    }
    let lines: [Line<'_>; 2] = [("etcd, % of a core", cpus), ("etcd, RSS in MB", sizes)];
    plot(
        "leases",
        "etcd with so many leases of 30 s, one connection and one key each",
        "leases",
        "% of a core, or MB",
        &lines,
    );
    let [cpus, sizes] = lines;
    table("leases", &[cpus, sizes, ("held at the end", held)]);
}

fn measure(count: u32) -> (f64, f64, f64) {
    let etcd = Etcd::start();
    let firsts = (0..count).step_by(usize::try_from(SESSIONS_EACH).unwrap());
    let holders: Vec<_> = firsts
        .map(|first| holder(&etcd.url(), first, SESSIONS_EACH.min(count - first)))
        .collect();
    assert_eq!(etcd.lease_count(), usize::try_from(count).unwrap());
    // Out of the work of their start.
    sleep(TTL / 3);
    let used = cpu(etcd.id());
    sleep(MEASURED);
    let used = cpu(etcd.id()) - used;
    let size = rss(etcd.id());
    let held = u32::try_from(etcd.lease_count()).unwrap();
    drop(holders);
    let share = 100.0 * used.as_secs_f64() / MEASURED.as_secs_f64();
    eprintln!("curves: {count} leases: {share:.2} % of a core, {size:.0} MB, {held} held");
    (share, size, f64::from(held))
}

/// This program as [`hold`], once it holds them all.
pub fn holder(url: &str, first: u32, count: u32) -> Owned {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["hold", url, &first.to_string(), &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = holder.stdout.take().unwrap();
    BufReader::new(said).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    Owned(holder)
}

/// Holds so many leases until its standard input ends.
pub fn hold(arguments: &[String]) {
    let [url, first, count] = arguments else {
        panic!("hold URL FIRST COUNT");
    };
    let (first, count): (u32, u32) = (first.parse().unwrap(), count.parse().unwrap());
    let config = EtcdConfig {
        discovery: None,
        endpoints: vec![url.clone()],
        credentials: None,
        tls: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Sessions are no `Send`.
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut sessions = announce(first..first + count, &config).await;
        println!("held");
        thread::spawn(|| {
            let _ended = io::stdin().read(&mut [0]);
            std::process::exit(0);
        });
        sessions.join_next().await;
    });
}

/// Returns once each session has announced its key.
async fn announce(numbers: Range<u32>, config: &EtcdConfig) -> JoinSet<()> {
    let mut sessions = JoinSet::new();
    let (announced, mut announcements) = mpsc::channel(AT_A_TIME);
    let mut waited_for = 0;
    for n in numbers {
        let announcement = Announcement {
            key: format!("/services/web/{n}"),
            value: "10.0.0.1:80".to_owned(),
            port: 80,
        };
        let dial = WireDial::new(config.clone());
        let announced = announced.clone();
        sessions.spawn_local(async move {
            let (orders, orders_end) = mpsc::unbounded_channel();
            let (news_end, mut news) = mpsc::channel(16);
            let renewal = Alarm::new().unwrap();
            let seed = u64::from(n);
            let begin = Order::Begin {
                service: 1,
                announcement,
                ttl: TTL,
            };
            orders.send(begin).unwrap();
            let session = Session::<ThisHost>::new(dial, renewal, orders_end, news_end, seed);
            let announce = || Order::Ask(1, Request::Announce { take_over: true });
            orders.send(announce()).unwrap();
            let listen = async {
                while let Some(told) = news.recv().await {
                    match told {
                        News::Event(_, Event::Announced { .. }) => {
                            announced.send(()).await.unwrap();
                        }
                        News::Event(_, Event::Failed) => orders.send(announce()).unwrap(),
                        News::Event(..) | News::Neighbour(..) => {}
                        News::Left => unreachable!("it was not told to leave"),
                        News::Refused(error) => panic!("{error}"),
                    }
                }
            };
            tokio::join!(session.run(), listen);
        });
        waited_for += 1;
        if waited_for == AT_A_TIME {
            announcements.recv().await.unwrap();
            waited_for -= 1;
        }
    }
    for _ in 0..waited_for {
        announcements.recv().await.unwrap();
    }
    sessions
}
