//! Invariants, under random events from a model of etcd with other writers on the key.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Verdict(bool),
    /// The request under way is carried out; its answer may get lost.
    Answer {
        lost: bool,
    },
    /// The request under way never gets there.
    Fail,
    /// Etcd grants a lease and then goes away.
    FailHalfway,
    TurnDown,
    LeaseLost,
    ForeignPut {
        our_value: bool,
    },
    ForeignGone,
    OverwrittenByHand {
        our_value: bool,
    },
    DeletedByHand,
    Reconnect,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Verdict),
        6 => any::<bool>().prop_map(|lost| Step::Answer { lost }),
        1 => Just(Step::Fail),
        1 => Just(Step::FailHalfway),
        1 => Just(Step::TurnDown),
        1 => Just(Step::LeaseLost),
        1 => any::<bool>().prop_map(|our_value| Step::ForeignPut { our_value }),
        1 => Just(Step::ForeignGone),
        1 => any::<bool>().prop_map(|our_value| Step::OverwrittenByHand { our_value }),
        1 => Just(Step::DeletedByHand),
        1 => Just(Step::Reconnect),
        2 => (0_u64..6_000).prop_map(Step::Wait),
    ]
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..most)
}

/// Etcd as far as one key goes, and what the session does there, wired to a registration.
struct World {
    registration: Registration,
    now: Instant,
    revision: Revision,
    holder: Holder,
    /// Whether the key, if there is one, has the value that we would have written.
    our_value: bool,
    next_lease: LeaseId,
    /// Every lease that we were ever granted.
    ours: Vec<LeaseId>,
    /// Those of them that etcd has.
    live: Vec<LeaseId>,
    /// The one that is being renewed.
    renewed: Option<LeaseId>,
    /// Whether we ever knew the key to be ours: from then on a foreign one is nobody's but theirs.
    announced: bool,
    request: Option<Action>,
    exit: Option<Outcome>,
    up: bool,
    stopping: bool,
}

impl World {
    fn new(registration: Registration) -> Self {
        Self {
            registration,
            now: Instant::now(),
            revision: 1,
            holder: Holder::Nobody,
            our_value: false,
            next_lease: 1_000,
            ours: Vec::new(),
            live: Vec::new(),
            renewed: None,
            announced: false,
            request: None,
            exit: None,
            up: false,
            stopping: false,
        }
    }

    fn tell(&mut self, event: Event) {
        if self.exit.is_some() {
            return;
        }
        self.announced |= matches!(event, Event::Announced { .. });
        for action in self.registration.on(event, self.now) {
            match action {
                Action::Announce { .. } => {
                    assert!(self.up, "announced while unhealthy");
                    assert!(!self.stopping, "announced while stopping");
                    self.ask(action);
                }
                Action::Withdraw(claim) => {
                    if let Claim::Lease(lease) = claim {
                        assert!(self.ours.contains(&lease), "a foreign lease was claimed");
                    }
                    self.ask(action);
                }
                Action::Ready => {}
                Action::Exit(outcome) => self.exit = Some(outcome),
            }
        }
    }

    fn ask(&mut self, request: Action) {
        assert!(self.exit.is_none(), "a request after the end");
        let before = self.request.replace(request);
        assert!(before.is_none(), "two requests at once");
        self.renewed = None;
    }

    fn write(&mut self, holder: Holder, our_value: bool) {
        self.revision += 1;
        self.holder = holder;
        self.our_value = our_value;
    }

    fn disturb(&mut self, holder: Holder, our_value: bool) {
        if self.holder != holder {
            self.write(holder, our_value);
            let revision = self.revision;
            self.tell(Event::Changed { revision, holder });
        }
    }

    fn is_ours(&self) -> bool {
        matches!(self.holder, Holder::Lease(lease) if self.ours.contains(&lease))
    }

    fn grant(&mut self) -> LeaseId {
        let holder = self.holder;
        self.live.retain(|lease| holder == Holder::Lease(*lease));
        self.next_lease += 1;
        self.ours.push(self.next_lease);
        self.live.push(self.next_lease);
        self.next_lease
    }

    fn announce(&mut self, take_over: bool) -> Event {
        let lease = self.grant();
        let foreign = matches!(self.holder, Holder::Lease(_)) && !self.is_ours();
        if foreign && !take_over {
            self.live.clear();
            return Event::Occupied {
                revision: self.revision,
            };
        }
        assert!(!foreign || !self.announced, "fought over a foreign key");
        self.write(Holder::Lease(lease), true);
        self.live = vec![lease];
        Event::Announced {
            lease,
            revision: self.revision,
        }
    }

    fn withdraw(&mut self, claim: Claim) -> Event {
        let covered = match claim {
            Claim::Lease(lease) => self.holder == Holder::Lease(lease),
            Claim::Granted => self.is_ours(),
            Claim::Value => self.is_ours() || self.our_value,
        };
        if covered {
            let previous_incarnation = self.our_value && !self.announced;
            assert!(
                self.is_ours() || previous_incarnation,
                "deleted what is not ours"
            );
        }
        // A key goes with its lease.
        if covered || self.is_ours() {
            self.write(Holder::Nobody, false);
        }
        self.live.clear();
        Event::Withdrawn
    }

    fn answer(&mut self, lost: bool) {
        let answer = match self.request.take() {
            Some(Action::Announce { take_over }) => self.announce(take_over),
            Some(Action::Withdraw(claim)) => self.withdraw(claim),
            Some(Action::Ready | Action::Exit(_)) | None => return,
        };
        assert!(self.live.len() <= 1, "leases pile up");
        if lost {
            return self.tell(Event::Failed);
        }
        if let Event::Announced { lease, .. } = answer {
            self.renewed = Some(lease);
        }
        self.tell(answer);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Verdict(up) => {
                self.up = up;
                let verdict = if up { Verdict::Up } else { Verdict::Down };
                self.tell(Event::Verdict(verdict));
            }
            Step::Answer { lost } => self.answer(lost),
            Step::Fail => self.fail(Event::Failed),
            Step::FailHalfway => {
                if matches!(self.request, Some(Action::Announce { .. })) {
                    self.grant();
                }
                self.fail(Event::Failed);
            }
            Step::TurnDown => self.fail(Event::TurnedDown),
            Step::LeaseLost => {
                if let Some(lease) = self.renewed.take() {
                    self.expire(lease);
                    self.tell(Event::LeaseLost { lease });
                }
            }
            Step::ForeignPut { our_value } => self.disturb(Holder::Lease(FOREIGN), our_value),
            Step::ForeignGone => {
                if self.holder == Holder::Lease(FOREIGN) {
                    self.disturb(Holder::Nobody, false);
                }
            }
            Step::OverwrittenByHand { our_value } => self.disturb(Holder::NoLease, our_value),
            Step::DeletedByHand => self.disturb(Holder::Nobody, false),
            Step::Reconnect => {
                self.tell(Event::Read {
                    revision: self.revision,
                    holder: self.holder,
                });
                self.tell(Event::Connected);
            }
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                if self
                    .registration
                    .deadline()
                    .is_some_and(|deadline| deadline <= self.now)
                {
                    self.tell(Event::DeadlineReached);
                }
            }
        }
        assert!(
            self.live.len() <= 2,
            "leases pile up while answers get lost"
        );
    }

    fn fail(&mut self, answer: Event) {
        if self.request.take().is_some() {
            self.tell(answer);
        }
    }

    fn expire(&mut self, lease: LeaseId) {
        self.live.retain(|live| *live != lease);
        if self.holder == Holder::Lease(lease) {
            self.disturb(Holder::Nobody, false);
        }
    }

    /// Etcd is well again and nobody disturbs, for longer than any TTL.
    fn settle(&mut self) {
        for _ in 0..50 {
            self.take(Step::Answer { lost: false });
            self.take(Step::Wait(6_000));
        }
        for lease in self.live.clone() {
            if self.renewed != Some(lease) {
                self.expire(lease);
            }
        }
    }
}

fn length() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        (0_u64..20_000).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_secs),
        Just(Duration::MAX),
    ]
}

proptest! {
    #[test]
    fn once_etcd_answers_the_key_and_one_lease_are_there_exactly_if_the_backend_is_up(
        steps in steps(80)
    ) {
        let mut world = World::new(registration());
        for step in steps {
            world.take(step);
        }
        world.take(Step::ForeignGone);
        world.take(Step::Reconnect);
        world.settle();
        prop_assert_eq!(world.is_ours(), world.up);
        prop_assert_eq!(world.live.len(), usize::from(world.up));
    }

    #[test]
    fn a_foreign_live_key_is_not_fought_over(steps in steps(80), our_value: bool) {
        let mut world = World::new(registration());
        world.take(Step::Verdict(true));
        world.settle();
        for step in steps {
            world.take(step);
        }
        world.take(Step::ForeignPut { our_value });
        world.take(Step::Reconnect);
        world.settle();
        prop_assert_eq!(world.holder, Holder::Lease(FOREIGN));
        prop_assert_eq!(world.live.len(), 0);
    }

    #[test]
    fn shutdown_always_ends_within_grace_and_drain(
        drain in length(),
        grace in length(),
        before in steps(40),
        during in steps(40),
    ) {
        let mut world = World::new(Registration::new(drain, grace, 1));
        for step in before {
            world.take(step);
        }
        let end = world.now + grace.min(LONGEST) + drain.min(LONGEST);
        world.stopping = true;
        world.tell(Event::Shutdown);
        for step in during {
            world.take(step);
        }
        while world.exit.is_none() {
            let deadline = world.registration.deadline().expect("a next step");
            world.now = world.now.max(deadline);
            prop_assert!(deadline <= end);
            world.tell(Event::DeadlineReached);
        }
        if world.exit == Some(Outcome::Clean) {
            prop_assert!(!world.is_ours());
        }
    }
}
