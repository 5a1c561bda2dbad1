//! The follower of etcd, over a link that does as it is told.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use register::etcd::api::{
    Answer, Call, Dial, History, Link, Login, Page, Read, Watch, WatchAnswer, WatchFrom, What,
};
use register::etcd::error::{EtcdError, Problem};
use register::etcd::follow::{Follower, Fresh, Update};
use register::host::ThisHost;
use register::world::World;
use renderer::snapshot::{Subtree, ranges};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

const ENDPOINT: &str = "http://etcd.invalid:2379";
const ROUND_TRIP: Duration = Duration::from_millis(50);
const LOGIN: Duration = Duration::from_millis(100);

enum Scripted {}

impl World for Scripted {
    type Dial = Etcd;
    type Link = Etcd;
    type Watch = Quiet;
    type Renewals = <ThisHost as World>::Renewals;
    type Source = <ThisHost as World>::Source;
    type Backend = <ThisHost as World>::Backend;
    type Timer = <ThisHost as World>::Timer;
    type Manager = <ThisHost as World>::Manager;
    type Signals = <ThisHost as World>::Signals;
    type Files = <ThisHost as World>::Files;
    type Child = <ThisHost as World>::Child;
}

/// Our role covers everything but `/b`. All watches stay quiet.
#[derive(Clone, Default)]
struct Etcd(Rc<Script>);

#[derive(Default)]
struct Script {
    /// Users or roles have changed since the last login.
    wants_login: Cell<bool>,
    /// Reads are not answered, but for the question whether the member is alive.
    hangs: Cell<bool>,
    arrived: Cell<u64>,
    dialled: Cell<u32>,
    asked_whether_alive: Cell<u32>,
}

struct Quiet;

impl Dial for Etcd {
    type Link = Self;

    fn endpoint_count(&self) -> usize {
        1
    }

    fn endpoint(&self, _: usize) -> &str {
        ENDPOINT
    }

    async fn dial(&mut self, _: usize, _: usize) -> Result<Self, EtcdError> {
        add_one(&self.0.dialled);
        Ok(self.clone())
    }
}

impl Link for Etcd {
    type Watch = Quiet;
    type Renewals = <ThisHost as World>::Renewals;

    fn endpoint(&self) -> &str {
        ENDPOINT
    }

    async fn log_in(&self) -> Result<Login, EtcdError> {
        sleep(LOGIN).await;
        self.0.wants_login.set(false);
        Ok(Login::AsAsked)
    }

    async fn ask(&self, call: &Call) -> Result<Answer, EtcdError> {
        let Call::Read(read) = call else {
            unreachable!("the follower only reads, and asked for {call:?}");
        };
        // It costs etcd little.
        let asks_whether_alive = read.serializable && read.what == What::KeysOnly;
        if asks_whether_alive {
            add_one(&self.0.asked_whether_alive);
            sleep(ROUND_TRIP).await;
        } else {
            self.may_read(read).await?;
        }
        self.0.arrived.set(self.0.arrived.get() + 100);
        Ok(Answer::Page(Page {
            history: History {
                cluster: 1,
                term: 1,
                revision: 5,
            },
            ..Page::default()
        }))
    }

    async fn watch(&self, _: &[WatchFrom<'_>]) -> Result<Quiet, EtcdError> {
        Ok(Quiet)
    }

    fn renewals(&self) -> Self::Renewals {
        unreachable!("the follower has no lease")
    }

    fn arrived(&self) -> u64 {
        self.0.arrived.get()
    }
}

impl Etcd {
    async fn may_read(&self, read: &Read) -> Result<(), EtcdError> {
        let refusal = |problem, reason: &str| Err(EtcdError::new(ENDPOINT, problem, reason));
        if self.0.hangs.get() {
            return std::future::pending().await;
        }
        if self.0.wants_login.get() {
            return refusal(Problem::LoginOutdated, "revision of auth store is old");
        }
        if read.what == What::Everything && read.range.start.starts_with(b"/b") {
            return refusal(Problem::Denied, "permission denied");
        }
        Ok(())
    }
}

impl Watch for Quiet {
    async fn next(&mut self) -> Result<WatchAnswer, EtcdError> {
        std::future::pending().await
    }
}

fn add_one(count: &Cell<u32>) {
    count.set(count.get() + 1);
}

fn trees() -> Vec<Subtree> {
    trees_of(&["/a", "/b"])
}

fn trees_of(keys: &[&str]) -> Vec<Subtree> {
    keys.iter()
        .flat_map(|key| ranges("", &[(*key).to_owned()]))
        .collect()
}

/// Follows for a while, and does something to etcd at some time. What etcd saw; whether the follower
/// ended when nobody took its updates any more.
async fn follow(during: Duration, at: Duration, event: fn(&Script)) -> (Rc<Script>, bool) {
    let (wanted, receiver) = watch::channel(trees());
    let (sender, mut updates) = mpsc::channel::<Update>(16);
    let etcd = Etcd::default();
    let script = Rc::clone(&etcd.0);
    let follower = Follower::<Scripted>::new(etcd, receiver, sender, 1);
    let story = async {
        sleep(at).await;
        event(&script);
        // What may not be read is tried again.
        wanted.send_replace(trees());
        let taken = async { while updates.recv().await.is_some() {} };
        let _over = timeout(during, taken).await;
        drop(updates);
        sleep(LOGIN).await;
    };
    let ended = tokio::select! {
        () = follower.run() => true,
        () = story => false,
    };
    (script, ended)
}

#[tokio::test(start_paused = true)]
async fn a_login_that_a_reading_wants_beside_the_question_whether_etcd_is_alive_holds_up_neither() {
    for millis in (2_800..3_300).step_by(20) {
        let at = Duration::from_millis(millis);
        let during = Duration::from_secs(60);
        let (etcd, ended) = follow(during, at, |etcd| etcd.wants_login.set(true)).await;
        let asked = etcd.asked_whether_alive.get();
        assert!(asked >= 15, "at {at:?}: asked only {asked} times");
        assert!(ended, "at {at:?}: it did not end");
        assert_eq!(etcd.dialled.get(), 1, "at {at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_comes_is_not_waited_for_as_long_as_etcd_says_that_it_is_alive() {
    let (during, at) = (Duration::from_secs(600), Duration::from_secs(1));
    let (etcd, _) = follow(during, at, |etcd| etcd.hangs.set(true)).await;
    assert!(etcd.dialled.get() >= 2, "the connection was kept");
}

/// The next that is told.
async fn told(updates: &mut mpsc::Receiver<Update>) -> Fresh {
    match timeout(Duration::from_secs(1), updates.recv()).await {
        Ok(Some(Update::Read(fresh))) => fresh,
        other => unreachable!("something is read, but {other:?} was told"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_is_wanted_again_is_read_again_once_it_was_dropped() {
    let (some, all) = (trees_of(&["/a", "/b"]), trees_of(&["/a", "/b", "/c"]));
    let denied = trees_of(&["/b"]);
    let (wanted, receiver) = watch::channel(all.clone());
    let (sender, mut updates) = mpsc::channel::<Update>(16);
    let follower = Follower::<Scripted>::new(Etcd::default(), receiver, sender, 1);
    let story = async {
        let first = told(&mut updates).await;
        assert_eq!((first.ranges.len(), first.denied), (4, denied.clone()));

        wanted.send_replace(some.clone());
        wanted.send_replace(all.clone());
        let same = told(&mut updates).await;
        assert_eq!(
            (same.ranges.len(), same.all),
            (0, None),
            "nothing was dropped"
        );

        wanted.send_replace(some);
        let dropped = told(&mut updates).await;
        assert_eq!(dropped.all.map(|ranges| ranges.len()), Some(2));
        assert_eq!((dropped.known, dropped.denied), (trees_of(&["/a"]), denied));
        let denied_again = told(&mut updates).await;
        assert_eq!(denied_again.ranges.len(), 0);

        wanted.send_replace(all);
        let standing = told(&mut updates).await;
        assert_eq!(standing.known, trees_of(&["/a"]));
        let again = told(&mut updates).await;
        assert_eq!(again.ranges.len(), 2);
        assert_eq!(again.known, trees_of(&["/a", "/c"]));
    };
    tokio::select! {
        () = follower.run() => unreachable!("it ends after we do"),
        () = story => {}
    }
}
