//! One link to etcd, kept up. Whoever asks something of etcd does so through here: endpoints in
//! turn, deadlines, logins, outages and refusals follow one rule.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout, timeout_at};
use tracing::warn;

use super::api::{Answer, Call, Dial, KeyRange, Link, Login, Page, Read, WatchFrom, What};
use super::error::{EtcdError, Problem};
use super::outage::Outage;
use super::record::Record;
use super::turns::{SETTLED_AFTER, Turn, Turns};
use crate::deadline::now;
use crate::registration::LeaseId;
use crate::wording;
use crate::world::World;

/// Connecting, TLS and login included, and the first answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A page over the slowest way: its watches send on while the page hangs.
const LONGEST_READ: Duration = Duration::from_secs(120);

/// How often it is looked whether something came, within the time that nothing may.
const LOOKS: u32 = 20;

/// Bounds of a call's time in a command that ends soon.
const CALL_LEAST: Duration = Duration::from_millis(250);
const CALL_MOST: Duration = Duration::from_secs(2);

/// How often such a command goes over the endpoints.
const ROUNDS: usize = 2;

/// Makes a connection, and the next when it breaks.
pub struct Reach<W: World> {
    dial: W::Dial,
    turns: Turns,
    /// Of each call.
    call_timeout: Duration,
    outage: Outage,
    record: Rc<Record>,
    /// It was said that etcd does not know users.
    without_users: Rc<Cell<bool>>,
    /// See [`Connection::is_alive`].
    last_question: Rc<Cell<u64>>,
    /// None once the connection is known to be a good one.
    settles_at: Option<Instant>,
}

/// A connection over which each call has a deadline, and is asked again after a login if it wants
/// one.
pub struct Connection<W: World> {
    link: W::Link,
    call_timeout: Duration,
    /// How often it has been logged in anew.
    logins: Cell<u64>,
    /// Of calls that want a login at one time, one logs in.
    logging_in: Mutex<()>,
    without_users: Rc<Cell<bool>>,
    last_question: Rc<Cell<u64>>,
    record: Rc<Record>,
}

/// Nobody listens any more.
pub(super) struct Closed;

/// Why a connection is left.
pub(super) enum Stop {
    Closed,
    Etcd(EtcdError),
}

impl From<Closed> for Stop {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl From<EtcdError> for Stop {
    fn from(error: EtcdError) -> Self {
        Self::Etcd(error)
    }
}

impl<W: World> Reach<W> {
    /// `ever_connected`: etcd has served us before, so that a refusal is not the end.
    #[must_use]
    pub fn new(dial: W::Dial, call_timeout: Duration, ever_connected: bool, seed: u64) -> Self {
        let turns = Turns::new(dial.endpoint_count(), ever_connected, seed);
        Self {
            dial,
            turns,
            call_timeout,
            outage: Outage::default(),
            record: Rc::default(),
            without_users: Rc::default(),
            last_question: Rc::new(Cell::new(seed)),
            settles_at: None,
        }
    }

    /// What has been with etcd so far.
    #[must_use]
    pub fn record(&self) -> Rc<Record> {
        Rc::clone(&self.record)
    }

    /// Of each call over the next connections.
    pub(super) fn set_call_timeout(&mut self, call_timeout: Duration) {
        self.call_timeout = call_timeout;
    }

    /// One attempt at the endpoint whose turn it is. `open` is what the connection is for: where it
    /// succeeds, the endpoint serves us.
    ///
    /// # Errors
    /// When to try the next.
    pub async fn attempt<T>(
        &mut self,
        open: impl AsyncFnOnce(&Connection<W>) -> Result<T, EtcdError>,
    ) -> Result<(Connection<W>, T), Turn> {
        let opened = match self.connect().await {
            Ok(connection) => open(&connection).await.map(|opened| (connection, opened)),
            Err(error) => Err(error),
        };
        match opened {
            Ok(opened) => {
                self.record.connected(opened.0.endpoint());
                self.turns.connected();
                self.settles_at = Some(now() + SETTLED_AFTER);
                Ok(opened)
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// The connection broke, or there is none. When to try the next.
    pub fn lost(&mut self, error: EtcdError) -> Turn {
        self.settles_at = None;
        self.record.lost(&error);
        // A mistake in how we were set up is told at the end.
        if self.turns.has_ever_connected() || !error.is_refusal() {
            self.outage.continues(&error);
        }
        self.turns.failed(error)
    }

    /// Whether etcd ever served us.
    #[must_use]
    pub fn has_ever_connected(&self) -> bool {
        self.turns.has_ever_connected()
    }

    /// Something came of it: an outage is over.
    pub fn works(&mut self, connection: &Connection<W>) {
        self.record.works();
        self.outage.ends(connection.endpoint());
    }

    /// When to call [`Self::settled`].
    #[must_use]
    pub fn settles_at(&self) -> Option<Instant> {
        self.settles_at
    }

    /// The connection has lasted long enough to be a good one.
    pub fn settled(&mut self, connection: &Connection<W>) {
        self.settles_at = None;
        self.turns.settled();
        self.works(connection);
    }

    /// The first endpoint that answers a call, be it no: a hung server takes connections, and a
    /// learner serves nothing.
    async fn first_serving(&mut self, limit: Duration) -> Result<Connection<W>, EtcdError> {
        let by = now() + limit;
        let mut rounds = ROUNDS;
        loop {
            let (endpoint, _) = self.turns.now();
            let attempt = timeout_at(by.into(), self.connect_and_ask()).await;
            let error = match attempt {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => error,
                Err(_) => return Err(EtcdError::silent(self.dial.endpoint(endpoint), limit)),
            };
            match self.turns.failed(error.clone()) {
                Turn::AtOnce => {}
                Turn::Never(refusal) => return Err(refusal),
                Turn::After(pause) => {
                    rounds -= 1;
                    if rounds == 0 {
                        return Err(error);
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    async fn connect_and_ask(&mut self) -> Result<Connection<W>, EtcdError> {
        let connection = self.connect().await?;
        connection.serves().await?;
        Ok(connection)
    }

    async fn find_endpoints(&mut self, limit: Duration) -> Result<(), EtcdError> {
        let (endpoint, round) = self.turns.now();
        let found = timeout(limit, self.dial.find_endpoints(round)).await;
        let found =
            found.unwrap_or_else(|_| Err(EtcdError::silent(self.dial.endpoint(endpoint), limit)));
        self.turns.set_endpoints(self.dial.endpoint_count());
        found
    }

    async fn connect(&mut self) -> Result<Connection<W>, EtcdError> {
        let limit = self.call_timeout.min(CONNECT_TIMEOUT);
        self.find_endpoints(limit).await?;
        let (endpoint, round) = self.turns.now();
        let made = timeout(limit, async {
            let connection = Connection {
                link: self.dial.dial(endpoint, round).await?,
                call_timeout: self.call_timeout,
                logins: Cell::default(),
                logging_in: Mutex::default(),
                without_users: Rc::clone(&self.without_users),
                last_question: Rc::clone(&self.last_question),
                record: Rc::clone(&self.record),
            };
            connection.log_in().await?;
            Ok(connection)
        });
        made.await
            .unwrap_or_else(|_| Err(EtcdError::silent(self.dial.endpoint(endpoint), limit)))
    }
}

/// How long a command that ends soon may take.
#[derive(Clone, Copy, Debug)]
pub struct CommandLimits {
    /// Each call.
    pub call: Duration,
    /// Until an endpoint serves it, and once more if that one then fails half-way.
    pub reach: Duration,
}

impl CommandLimits {
    /// For a command that may take no longer than `whole`.
    #[must_use]
    pub fn within(whole: Duration, endpoints: usize) -> Self {
        Self {
            call: share(whole, endpoints),
            reach: whole,
        }
    }
}

/// What of `whole` each call may take: each endpoint gets its share, and the command itself one.
fn share(whole: Duration, endpoints: usize) -> Duration {
    let shares = u32::try_from(endpoints + 1).unwrap_or(u32::MAX);
    (whole / shares).clamp(CALL_LEAST, CALL_MOST)
}

/// Does `work` over the first endpoint that serves it, for a command that ends then. Where it fails
/// half-way, it is done once more over the next.
///
/// # Errors
/// What etcd answered to the work, or how it failed; else the first refusal, as it needs somebody's
/// hand; else the last endpoint's error.
pub async fn once<W: World, T>(
    dial: W::Dial,
    limits: CommandLimits,
    seed: u64,
    mut work: impl AsyncFnMut(&Connection<W>) -> Result<T, EtcdError>,
) -> Result<T, EtcdError> {
    let mut reach = Reach::<W>::new(dial, limits.call, false, seed);
    let first = match reach.first_serving(limits.reach).await {
        Ok(connection) => work(&connection).await,
        Err(error) => return Err(error),
    };
    let failure = match first {
        Err(failure) if !failure.is_answer() => failure,
        done => return done,
    };
    let _turn = reach.turns.failed(failure.clone());
    match reach.first_serving(limits.reach).await {
        Ok(connection) => work(&connection).await,
        Err(_) => Err(failure),
    }
}

impl<W: World> Connection<W> {
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.link.endpoint()
    }

    /// What each call may take.
    #[must_use]
    pub(super) fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// How many bytes have come in so far.
    pub(super) fn arrived(&self) -> u64 {
        self.link.arrived()
    }

    /// How often it has been logged in anew: users or roles have changed.
    pub(super) fn logins(&self) -> u64 {
        self.logins.get()
    }

    /// Whether the member is alive, as one that answers whatever it is asked is. It is asked for a
    /// key in `range` that nobody has asked for: of others etcd's gRPC proxy keeps the answers, and
    /// gives them for a member that is not alive. While anything arrives, the answer may be behind it.
    ///
    /// # Errors
    /// When it has sent nothing for `patience`, or the connection broke.
    pub(super) async fn is_alive(
        &self,
        range: KeyRange,
        patience: Duration,
    ) -> Result<(), EtcdError> {
        let question = self.last_question.get().wrapping_add(1);
        self.last_question.set(question);
        let unheard_of = [&range.start[..], b"\0", &question.to_be_bytes()].concat();
        let call = Call::Read(Read {
            what: What::KeysOnly,
            serializable: true,
            ..anything(KeyRange::exact(unheard_of))
        });
        let silent = |Silence| EtcdError::silent(self.endpoint(), patience);
        let asked = async || {
            let answer = outlast(|| self.arrived(), patience, self.link.ask(&call));
            answer.await.map_err(silent)?
        };
        match self.record.call("alive", self.logged_in(asked)).await {
            Err(error) if !error.is_answer() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// An error that names the endpoint.
    pub(super) fn error(&self, problem: Problem, reason: impl Into<String>) -> EtcdError {
        EtcdError::new(self.endpoint(), problem, reason)
    }

    /// Waits for an answer, at most the call timeout.
    ///
    /// # Errors
    /// [`EtcdError`]; what was asked may have happened unless it is an answer.
    pub async fn ask(&self, call: &Call) -> Result<Answer, EtcdError> {
        let asked = async || self.within(self.call_timeout, self.link.ask(call)).await;
        self.record.call(call.name(), self.logged_in(asked)).await
    }

    /// # Errors
    /// As [`Self::ask`].
    pub async fn read(&self, read: Read) -> Result<Page, EtcdError> {
        Ok(page(self.ask(&Call::Read(read)).await?))
    }

    /// See [`Link::renewals`].
    pub(super) fn renewals(&self) -> W::Renewals {
        self.link.renewals()
    }

    /// Logs in, for what goes on over a stream.
    ///
    /// # Errors
    /// [`EtcdError`]
    pub(super) async fn log_in_anew(&self) -> Result<(), EtcdError> {
        let logins = self.logins.get();
        self.within(self.call_timeout, self.log_in_after(logins))
            .await
    }

    /// # Errors
    /// As [`Self::ask`].
    pub async fn watch(&self, watches: &[WatchFrom<'_>]) -> Result<W::Watch, EtcdError> {
        let asked = async || {
            let watch = self.outlast(self.call_timeout, self.link.watch(watches));
            self.within(LONGEST_READ, watch).await?
        };
        let done = self.record.call("watch", self.logged_in(&asked)).await;
        let Err(EtcdError {
            problem: Problem::Denied,
            ..
        }) = done
        else {
            return done;
        };
        // Older etcd says that where it wants a login, too. A read tells the two apart.
        for watch in watches {
            self.read(anything(watch.range.clone())).await?;
        }
        asked().await.map_err(EtcdError::after_reads)
    }

    /// [`Self::read`] for as long as etcd keeps sending, be it something else; at most
    /// two minutes.
    ///
    /// # Errors
    /// As [`Self::ask`], and when it has sent nothing for `patience`.
    pub async fn read_patiently(&self, read: Read, patience: Duration) -> Result<Page, EtcdError> {
        let call = Call::Read(read);
        let asked = async || {
            let answer = self.outlast(patience, self.link.ask(&call));
            self.within(LONGEST_READ, answer).await?
        };
        let answer = self.record.call(call.name(), self.logged_in(asked));
        answer.await.map(page)
    }

    /// How much of a lease's TTL is left; none if etcd does not know it. Without a deadline: see
    /// [`Self::outlast`].
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn time_left(&self, lease: LeaseId) -> Result<Option<Duration>, EtcdError> {
        let call = Call::TimeLeft(lease);
        let asked = async || self.link.ask(&call).await;
        let answer = self.record.call(call.name(), self.logged_in(asked));
        answer.await.map(time_left)
    }

    /// Waits for work on this connection for as long as etcd keeps sending.
    ///
    /// # Errors
    /// When it has sent nothing for `patience`.
    pub async fn outlast<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, EtcdError> {
        let done = outlast(|| self.link.arrived(), patience, work).await;
        done.map_err(|Silence| {
            let reason = format!("sent nothing for {}", wording::duration(patience));
            self.error(Problem::Unavailable, reason)
        })
    }

    /// Waits for a first answer, be it no: a hung server takes connections, and a learner serves
    /// nothing.
    ///
    /// # Errors
    /// [`EtcdError`]
    pub(super) async fn serves(&self) -> Result<(), EtcdError> {
        let anything = Call::Read(anything(KeyRange::exactly("/")));
        let limit = self.call_timeout.min(CONNECT_TIMEOUT);
        let asked = async || self.within(limit, self.link.ask(&anything)).await;
        match self.logged_in(asked).await {
            Err(error) if !error.is_answer() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A call that wants a login is asked again after one, over the same connection.
    async fn logged_in<T>(
        &self,
        call: impl AsyncFn() -> Result<T, EtcdError>,
    ) -> Result<T, EtcdError> {
        let logins = self.logins.get();
        match call().await {
            Err(error) if error.wants_login() => {
                self.within(self.call_timeout, self.log_in_after(logins))
                    .await?;
                call().await.map_err(EtcdError::after_login)
            }
            done => done,
        }
    }

    /// Logs in, unless another call has done so since there were so many logins.
    async fn log_in_after(&self, logins: u64) -> Result<(), EtcdError> {
        let _alone = self.logging_in.lock().await;
        if self.logins.get() == logins {
            self.log_in().await?;
            self.logins.set(logins + 1);
        }
        Ok(())
    }

    async fn log_in(&self) -> Result<(), EtcdError> {
        let login = self.record.call("log_in", self.link.log_in()).await?;
        let without_users = login == Login::NotEnabled;
        if !self.without_users.replace(without_users) && without_users {
            let endpoint = self.endpoint();
            warn!(
                event = "authentication_not_enabled",
                "etcd at {endpoint}: authentication is not enabled; going on without --user"
            );
        }
        Ok(())
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, EtcdError>>,
    ) -> Result<T, EtcdError> {
        let done = timeout(limit, work).await;
        done.unwrap_or_else(|_| Err(EtcdError::silent(self.endpoint(), limit)))
    }
}

/// Whether there is anything in the range, which asks little of etcd.
fn anything(range: KeyRange) -> Read {
    Read {
        range,
        revision: 0,
        limit: 1,
        what: What::CountOnly,
        serializable: false,
    }
}

fn page(answer: Answer) -> Page {
    match answer {
        Answer::Page(page) => page,
        other => unreachable!("a read is answered with a page, not with {other:?}"),
    }
}

fn time_left(answer: Answer) -> Option<Duration> {
    match answer {
        Answer::TimeLeft(left) => left,
        other => unreachable!("a question about a lease is answered with a time, not {other:?}"),
    }
}

/// Nothing came for that long.
#[derive(Debug)]
struct Silence;

/// Waits for `work` for as long as more arrives, with pauses shorter than `patience`.
async fn outlast<T>(
    arrived: impl Fn() -> u64,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Silence> {
    let mut work = pin!(work);
    let mut seen = arrived();
    let mut silent_looks = 0;
    while silent_looks < LOOKS {
        if let Ok(done) = timeout(patience / LOOKS, work.as_mut()).await {
            return Ok(done);
        }
        let now = arrived();
        silent_looks = if now == seen { silent_looks + 1 } else { 0 };
        seen = now;
    }
    Err(Silence)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn what_keeps_coming_may_take_as_long_as_it_likes() {
        let arrived = Cell::new(0);
        let drip = async {
            for _ in 0..10 {
                sleep(Duration::from_secs(4)).await;
                arrived.set(arrived.get() + 1);
            }
        };
        assert!(outlast(|| arrived.get(), PATIENCE, drip).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let begun = Instant::now();
        let never = std::future::pending::<()>();
        assert!(outlast(|| 7, PATIENCE, never).await.is_err());
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[test]
    fn each_endpoint_gets_its_share_of_a_command_s_time() {
        let seconds = Duration::from_secs;
        assert_eq!(share(seconds(5), 4), seconds(1));
        assert_eq!(share(seconds(60), 1), CALL_MOST);
        assert_eq!(share(seconds(1), 9), CALL_LEAST);
    }
}
