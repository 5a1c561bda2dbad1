//! How the loops keep up their link to etcd, and what they say of it: stories with one agent.

use std::cell::RefCell;
use std::rc::Rc;

use register::etcd::api::Read;
use register::etcd::error::{EtcdError, Problem};
use register::etcd::reach::{self, CommandLimits, Connection};

use crate::clock::{Time, ms};
use crate::etcd::Member;
use crate::model::Trace;
use crate::network::Fate;
use crate::schedule::{Setting, What};
use crate::world::{Sim, World};
use crate::{log, runtime};

const AGENT: usize = 0;

fn setting(members: usize) -> Setting {
    Setting {
        members,
        ..Setting::of_one_agent(12_000)
    }
}

/// What came of a story.
struct WatchAnswer {
    /// What the agent logged.
    log: Vec<String>,
    /// When it dialled which member.
    dialled: Vec<(Time, usize)>,
}

impl WatchAnswer {
    fn count(&self, text: &str) -> usize {
        self.log.iter().filter(|line| line.contains(text)).count()
    }
}

/// Steps at these times.
fn tell(setting: &Setting, steps: &[(Time, What)], end: Time) -> WatchAnswer {
    log::captured(|| {
        runtime().block_on(async {
            let trace = Trace(Some(Vec::new()));
            let mut world = World::new(setting, trace).await;
            let mut now = 0;
            for (at, what) in steps {
                assert!(world.pass(at - now).await, "a promise is broken");
                world.apply(*what);
                now = *at;
            }
            assert!(world.pass(end - now).await, "a promise is broken");
            let model = world.shared.borrow();
            let dialled = model.network.dialled.iter();
            WatchAnswer {
                log: model
                    .told()
                    .filter(|line| line.contains("    0: "))
                    .cloned()
                    .collect(),
                dialled: dialled.map(|(at, _, member)| (*at, *member)).collect(),
            }
        })
    })
}

const DOWN: What = What::Member {
    member: 0,
    state: Member::Dead,
};
const UP: What = What::Member {
    member: 0,
    state: Member::Up,
};

#[test]
fn after_a_connection_that_was_good_the_next_is_made_at_once() {
    let steps = [(5_000, What::Reset { client: AGENT })];
    let told = tell(&setting(1), &steps, 10_000);
    assert_eq!(told.dialled, [(0, 0), (5_000, 0)]);
}

#[test]
fn a_connection_that_breaks_soon_is_followed_by_a_pause() {
    let steps = [(500, What::Reset { client: AGENT })];
    let told = tell(&setting(1), &steps, 10_000);
    let [_, (again, _)] = told.dialled[..] else {
        panic!("{:?}", told.dialled);
    };
    assert!((525..=550).contains(&again), "{again}");
}

#[test]
fn a_good_connection_makes_the_pauses_short_again() {
    let steps = [(5_000, DOWN), (8_000, UP), (12_000, DOWN)];
    let told = tell(&setting(1), &steps, 12_100);
    let last: Vec<_> = told
        .dialled
        .iter()
        .filter(|(at, _)| *at >= 12_000)
        .collect();
    assert!(
        last.len() >= 2,
        "at once, and after the first pause: {last:?}"
    );
}

#[test]
fn pauses_grow_to_less_than_a_second_and_no_further() {
    // The lease lasts as long: its loss would cut a pause short.
    let told = tell(&setting(1), &[(5_000, DOWN)], 14_000);
    let times: Vec<_> = told.dialled.iter().map(|(at, _)| *at).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (first, last) = (pauses[1], pauses[pauses.len() - 1]);
    assert!(first <= 60 && (400..=810).contains(&last), "{pauses:?}");
}

#[test]
fn a_round_goes_over_all_members_without_a_pause() {
    let steps = [(5_000, DOWN)];
    let told = tell(&setting(3), &steps, 6_000);
    assert_eq!(told.dialled, [(0, 0), (5_000, 1)]);
}

#[test]
fn an_outage_is_said_when_it_begins_and_when_it_ends() {
    let told = tell(&setting(1), &[(5_000, DOWN), (9_000, UP)], 14_000);
    assert_eq!(
        told.count("trying again until it answers"),
        1,
        "{:?}",
        told.log
    );
    assert_eq!(told.count("still trying"), 0, "{:?}", told.log);
    assert_eq!(told.count("etcd answers again after"), 1, "{:?}", told.log);
}

#[test]
fn a_refusal_is_no_outage_at_the_start_and_one_later() {
    let refused = What::Picky {
        member: 0,
        picky: true,
    };
    let told = tell(&setting(1), &[(0, refused)], 5_000);
    assert_eq!(told.count("certificate required"), 0, "{:?}", told.log);

    let reset = What::Reset { client: AGENT };
    let told = tell(&setting(1), &[(5_000, refused), (5_000, reset)], 9_000);
    let said = "http://m0 refused: certificate required; still trying";
    assert_eq!(told.count(said), 1, "{:?}", told.log);
}

#[test]
fn that_etcd_knows_no_users_is_said_once() {
    let reset = What::Reset { client: AGENT };
    let told = tell(&setting(1), &[(5_000, reset), (9_000, reset)], 14_000);
    assert_eq!(
        told.count("authentication is not enabled"),
        1,
        "{:?}",
        told.log
    );
}

#[test]
fn another_instance_of_this_host_on_the_key_is_said_to_be_one() {
    let mut setting = setting(1);
    setting.agents[AGENT].services[0].value = b'8';
    let put = |value| What::PutLeased {
        key: 0,
        value,
        ttl: None,
    };
    let neighbour = "for another port of this host";
    let told = tell(&setting, &[(0, put(b'9')), (5_000, put(b'9'))], 9_000);
    assert_eq!(told.count("took over a key that held another value"), 1);
    assert_eq!(told.count("displaced by another registration"), 1);
    assert_eq!(told.count(neighbour), 2, "{:?}", told.log);

    let told = tell(&setting, &[(0, put(b'x')), (5_000, put(b'x'))], 9_000);
    assert_eq!(told.count("displaced by another registration"), 1);
    assert_eq!(told.count(neighbour), 0, "{:?}", told.log);

    let steps = [(0, put(b'9')), (5_000, put(b'x'))];
    let told = tell(&setting, &steps, 9_000);
    assert_eq!(told.count(neighbour), 1, "{:?}", told.log);
}

/// What a command that ends comes to, with `members` in this state, and when; its work is to read a
/// key.
fn once(members: &[Member], steps: &[What]) -> (Result<(), EtcdError>, Time) {
    let setting = Setting {
        watched: false,
        ..setting(members.len())
    };
    runtime().block_on(async {
        let mut world = World::new(&setting, Trace::default()).await;
        world.kill(AGENT);
        for (member, state) in members.iter().enumerate() {
            let state = *state;
            world.apply(What::Member { member, state });
        }
        let ended = Rc::new(RefCell::new(None));
        let tell = Rc::clone(&ended);
        world.run(AGENT, |dial| async move {
            let limits = CommandLimits {
                call: ms(1_000),
                reach: ms(5_000),
            };
            let work = async |connection: &Connection<Sim>| {
                connection.read(Read::key("/a/0")).await.map(|_page| ())
            };
            let done = reach::once(dial, limits, 1, work).await;
            tell.replace(Some(done));
        });
        for step in steps {
            world.apply(*step);
        }
        loop {
            let now = world.shared.borrow().now;
            if let Some(done) = ended.take() {
                return (done, now);
            }
            assert!(now < 60_000, "it does not end");
            assert!(world.pass(1).await, "a promise is broken");
        }
    })
}

#[test]
fn a_command_goes_on_to_the_next_endpoint_where_one_hangs() {
    let (done, at) = once(&[Member::Hung, Member::Up, Member::Up], &[]);
    assert_eq!(done, Ok(()));
    assert!((1_000..1_100).contains(&at), "{at}");
}

#[test]
fn a_command_goes_on_to_the_next_endpoint_where_one_fails_half_way() {
    // Dialled, logged in, asked for anything; then comes the work.
    let fails = What::Call {
        client: AGENT,
        after: 3,
        fate: Fate::NeverArrives,
    };
    let (done, at) = once(&[Member::Up; 3], &[fails]);
    assert_eq!(done, Ok(()));
    assert!(at < 100, "{at}");
}

#[test]
fn a_command_whose_work_is_turned_down_ends_with_that() {
    let turned_down = What::Call {
        client: AGENT,
        after: 3,
        fate: Fate::TurnedDown,
    };
    let (done, at) = once(&[Member::Up; 3], &[turned_down]);
    assert_eq!(done.expect_err("no").problem, Problem::Rejected);
    assert!(at < 50, "{at}");
}

#[test]
fn a_command_that_fails_half_way_twice_ends_with_that() {
    let fails = |after| What::Call {
        client: AGENT,
        after,
        fate: Fate::NeverArrives,
    };
    let (done, at) = once(&[Member::Up; 3], &[fails(3), fails(7)]);
    assert_eq!(done.expect_err("no").problem, Problem::Unavailable);
    assert!(at < 100, "{at}");
}

#[test]
fn a_command_that_is_refused_everywhere_ends_after_a_round() {
    let picky = |member| What::Picky {
        member,
        picky: true,
    };
    let (done, at) = once(&[Member::Up; 3], &[picky(0), picky(1), picky(2)]);
    assert!(done.expect_err("no").is_refusal());
    assert!(at < 50, "{at}");
}

#[test]
fn a_command_gives_up_after_two_rounds_or_its_time() {
    let (done, at) = once(&[Member::Dead; 3], &[]);
    assert_eq!(done.expect_err("no").problem, Problem::Unavailable);
    assert!(at < 100, "{at}");
    let (done, at) = once(&[Member::Hung; 3], &[]);
    assert_eq!(done.expect_err("no").problem, Problem::Silent);
    assert!((5_000..5_100).contains(&at), "{at}");
}
