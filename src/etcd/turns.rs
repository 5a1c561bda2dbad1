//! Which endpoint to try next, and when. Pure.

use std::time::Duration;

use super::error::EtcdError;
use crate::backoff::Backoff;

/// The first wait after a round of failed attempts, doubled up to [`CAP`].
const FIRST: Duration = Duration::from_millis(50);
/// Short, as keys and files are to be in step within a second of etcd's return.
const CAP: Duration = Duration::from_millis(800);

/// A connection that lasts so long is a good one: when it breaks, the next is made at once.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Endpoints in turn, round after round.
#[derive(Clone, Debug)]
pub struct Turns {
    endpoints: usize,
    endpoint: usize,
    /// Counts how often it was everybody's turn.
    round: usize,
    /// Endpoints that failed since the last pause, or since one was good.
    failed: usize,
    /// The first of them to refuse us.
    refusal: Option<EtcdError>,
    /// Etcd has served us: a refusal is news, and not a mistake in how we were set up.
    ever_connected: bool,
    /// There is a connection.
    connected: bool,
    /// It is a good one.
    settled: bool,
    backoff: Backoff,
}

/// When to try the next endpoint.
#[derive(Debug)]
pub enum Turn {
    AtOnce,
    After(Duration),
    /// Not at all: no endpoint ever let us in, and one refused us.
    Never(EtcdError),
}

impl Turns {
    /// `endpoints` is not 0. `ever_connected`: etcd has served us before. `seed` for the back-off's jitter.
    #[must_use]
    pub fn new(endpoints: usize, ever_connected: bool, seed: u64) -> Self {
        Self {
            endpoints,
            endpoint: 0,
            round: 0,
            failed: 0,
            refusal: None,
            ever_connected,
            connected: false,
            settled: false,
            backoff: Backoff::new(FIRST, CAP, seed),
        }
    }

    /// The endpoint whose turn it is, and the round.
    #[must_use]
    pub fn now(&self) -> (usize, usize) {
        (self.endpoint, self.round)
    }

    /// There are so many endpoints now; not 0.
    pub fn set_endpoints(&mut self, endpoints: usize) {
        if self.endpoints != endpoints {
            self.endpoints = endpoints;
            self.endpoint = 0;
            self.failed = 0;
        }
    }

    /// The endpoint does what it is there for.
    pub fn connected(&mut self) {
        self.ever_connected = true;
        self.connected = true;
        self.refusal = None;
    }

    #[must_use]
    pub fn has_ever_connected(&self) -> bool {
        self.ever_connected
    }

    /// The connection has lasted for `SETTLED_AFTER`.
    pub fn settled(&mut self) {
        self.settled = true;
        self.failed = 0;
        self.backoff.reset();
    }

    /// An attempt failed, or the connection broke.
    pub fn failed(&mut self, error: EtcdError) -> Turn {
        self.rotate();
        let connected = std::mem::take(&mut self.connected);
        if std::mem::take(&mut self.settled) {
            return Turn::AtOnce;
        }
        // One endpoint may be down, but what refuses us needs somebody's hand.
        if error.is_refusal() && !self.ever_connected {
            self.refusal.get_or_insert(error);
        }
        // An endpoint that takes connections and reads, but nothing else, is not run at.
        self.failed = if connected {
            self.endpoints
        } else {
            self.failed + 1
        };
        if self.failed < self.endpoints {
            return Turn::AtOnce;
        }
        self.failed = 0;
        match self.refusal.take() {
            Some(refusal) => Turn::Never(refusal),
            None => Turn::After(self.backoff.delay()),
        }
    }

    fn rotate(&mut self) {
        self.endpoint += 1;
        if self.endpoint == self.endpoints {
            self.endpoint = 0;
            self.round = self.round.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Problem;
    use super::*;

    fn error(problem: Problem) -> EtcdError {
        EtcdError::new("http://e", problem, "no")
    }

    fn lost() -> EtcdError {
        error(Problem::Unavailable)
    }

    #[test]
    fn a_round_ends_when_every_endpoint_has_had_its_turn() {
        let mut turns = Turns::new(2, false, 1);
        let mut now = Vec::new();
        for _ in 0..4 {
            let _turn = turns.failed(lost());
            now.push(turns.now());
        }
        assert_eq!(now, [(1, 0), (0, 1), (1, 1), (0, 2)]);
    }

    #[test]
    fn endpoints_that_are_found_have_their_turns_from_the_first_on() {
        let mut turns = Turns::new(1, false, 1);
        assert!(matches!(turns.failed(lost()), Turn::After(_)));
        turns.set_endpoints(3);
        assert_eq!(turns.now(), (0, 1));
        assert!(matches!(turns.failed(lost()), Turn::AtOnce));
        turns.set_endpoints(3);
        assert_eq!(turns.now(), (1, 1));
        turns.set_endpoints(1);
        assert_eq!(turns.now(), (0, 1));
    }

    #[test]
    fn there_is_a_pause_after_each_round_and_none_within_it() {
        let mut turns = Turns::new(2, false, 1);
        assert!(matches!(turns.failed(lost()), Turn::AtOnce));
        let Turn::After(first) = turns.failed(lost()) else {
            panic!("no pause");
        };
        assert!(first <= FIRST);
        assert!(matches!(turns.failed(lost()), Turn::AtOnce));
        let Turn::After(second) = turns.failed(lost()) else {
            panic!("no pause");
        };
        assert!(second >= FIRST, "{second:?}");
    }

    #[test]
    fn a_refusal_in_a_first_round_is_the_end_even_if_others_are_down() {
        let mut turns = Turns::new(3, false, 1);
        assert!(matches!(turns.failed(lost()), Turn::AtOnce));
        let refusal = error(Problem::Refused);
        assert!(matches!(turns.failed(refusal.clone()), Turn::AtOnce));
        assert!(matches!(turns.failed(lost()), Turn::Never(error) if error == refusal));
    }

    #[test]
    fn once_let_in_a_refusal_is_tried_again() {
        let mut turns = Turns::new(1, false, 1);
        turns.connected();
        assert!(matches!(
            turns.failed(error(Problem::Refused)),
            Turn::After(_)
        ));
    }

    #[test]
    fn who_was_let_in_before_is_not_turned_away_by_a_refusal_either() {
        for ever_connected in [false, true] {
            let mut turns = Turns::new(1, ever_connected, 1);
            assert_eq!(turns.has_ever_connected(), ever_connected);
            let turn = turns.failed(error(Problem::Denied));
            assert_eq!(matches!(turn, Turn::Never(_)), !ever_connected, "{turn:?}");
        }
    }

    #[test]
    fn a_refusal_from_before_we_were_let_in_is_forgotten() {
        let mut turns = Turns::new(2, false, 1);
        assert!(matches!(
            turns.failed(error(Problem::Refused)),
            Turn::AtOnce
        ));
        turns.connected();
        assert!(turns.has_ever_connected());
        assert!(matches!(turns.failed(lost()), Turn::After(_)));
    }

    #[test]
    fn of_several_refusals_the_first_is_told() {
        let mut turns = Turns::new(2, false, 1);
        let _turn = turns.failed(error(Problem::Denied));
        let last = turns.failed(error(Problem::Refused));
        assert!(matches!(last, Turn::Never(error) if error.problem == Problem::Denied));
    }

    #[test]
    fn after_a_good_connection_every_other_endpoint_is_tried_before_a_pause() {
        let mut turns = Turns::new(3, true, 1);
        let _turn = turns.failed(lost());
        let _turn = turns.failed(lost());
        turns.settled();
        for _ in 0..3 {
            assert!(matches!(turns.failed(lost()), Turn::AtOnce));
        }
        assert!(matches!(turns.failed(lost()), Turn::After(_)));
    }

    #[test]
    fn after_a_good_connection_the_next_is_made_at_once_and_only_then() {
        let mut turns = Turns::new(1, false, 1);
        turns.connected();
        assert!(matches!(turns.failed(lost()), Turn::After(_)));
        turns.settled();
        assert!(matches!(turns.failed(lost()), Turn::AtOnce));
        assert!(matches!(turns.failed(lost()), Turn::After(pause) if pause <= FIRST));
    }

    #[test]
    fn a_connection_that_was_not_good_ends_the_round() {
        let mut turns = Turns::new(3, false, 1);
        turns.connected();
        assert!(matches!(turns.failed(lost()), Turn::After(_)));
        assert!(matches!(turns.failed(lost()), Turn::AtOnce));
    }
}
