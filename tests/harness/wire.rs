//! A wire to a server on which everything can go wrong: a TCP relay.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::own_address;

pub struct Wire {
    address: SocketAddrV4,
    shared: Arc<Shared>,
}

/// How one direction of a wire is. A new one carries everything at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    #[default]
    Good,
    /// What is sent arrives so much later.
    Slow(Duration),
    /// The same, and of each connection no more than so many bytes pass in a second.
    Narrow(Duration, u32),
    /// What is sent waits for better times, as TCP has it.
    Silent,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// To the server.
    there: Line,
    back: Line,
    /// Members of etcd for which both directions are silent, as their requests name them.
    unreachable_for: Vec<String>,
    /// The first that a client sends over a connection is lost. It is sent again, as TCP has it, so
    /// much later.
    first_sent_again_after: Duration,
    /// After so many more bytes to a client all connections are reset.
    resets_after: Option<usize>,
    /// How often the connections were broken: those of before are not to be used any more.
    breaks: u64,
    open: Vec<TcpStream>,
    /// Connections so far.
    made: usize,
    /// Bytes to clients so far.
    carried: usize,
}

impl Wire {
    /// Relays to `server`, which may come and go.
    pub fn to(server: SocketAddrV4) -> Self {
        Self::at(SocketAddrV4::new(*own_address().ip(), 0), server)
    }

    /// The same, at this address; port 0 is any.
    pub fn at(address: SocketAddrV4, server: SocketAddrV4) -> Self {
        Self::relaying(address, server, |_| String::new())
    }

    /// How many connections have been made so far.
    pub fn connections(&self) -> usize {
        self.shared.state().made
    }

    /// How many bytes clients have been sent so far.
    pub fn carried(&self) -> usize {
        self.shared.state().carried
    }

    /// Relays to a member of etcd what others send to it, and knows which of them did.
    pub fn to_peer(server: SocketAddrV4) -> Self {
        let address = SocketAddrV4::new(*own_address().ip(), 0);
        Self::relaying(address, server, member_that_calls)
    }

    /// At any port: one that was just given up may still be held by a process about to be started.
    fn relaying(
        address: SocketAddrV4,
        server: SocketAddrV4,
        who_calls: fn(&TcpStream) -> String,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddrV4::new(*address.ip(), port);
        let shared = Arc::new(Shared::default());
        let relayed = Arc::clone(&shared);
        // Ends with the process of the tests: nobody else can reach it.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let shared = Arc::clone(&relayed);
                thread::spawn(move || {
                    let caller = who_calls(&near);
                    if let Ok(far) = TcpStream::connect(server) {
                        shared.relay(near, far, &caller);
                    }
                });
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// How both directions are from now on.
    pub fn set(&self, there: Line, back: Line) {
        let mut state = self.shared.state();
        (state.there, state.back) = (there, back);
        self.shared.changed.notify_all();
    }

    /// From now on the first that is sent to the server over each connection is lost, and sent again
    /// so much later.
    pub fn lose_first(&self, sent_again_after: Duration) {
        self.shared.state().first_sent_again_after = sent_again_after;
    }

    /// From now on nothing passes between the server and this member of etcd.
    pub fn part_from(&self, member: &str) {
        self.shared.state().unreachable_for.push(member.to_owned());
    }

    /// Everything passes again.
    pub fn mend(&self) {
        let mut state = self.shared.state();
        (state.there, state.back) = (Line::Good, Line::Good);
        state.first_sent_again_after = Duration::ZERO;
        state.unreachable_for.clear();
        self.shared.changed.notify_all();
    }

    /// Breaks all connections; new ones work.
    pub fn cut(&self) {
        self.shared
            .break_all(&mut self.shared.state(), Shutdown::Both);
    }

    /// Resets all connections in the middle of what is then sent to a client: after so many bytes
    /// of it. New ones work.
    pub fn reset_after(&self, bytes: usize) {
        self.shared.state().resets_after = Some(bytes);
    }

    /// Whether what [`Self::reset_after`] asked for has happened.
    pub fn was_reset(&self) -> bool {
        self.shared.state().resets_after.is_none()
    }
}

/// The direction of a piece of data.
#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn relay(self: Arc<Self>, near: TcpStream, far: TcpStream, caller: &str) {
        // Each of them sends at once what little there is: the ends wait for one another.
        for stream in [&near, &far] {
            stream.set_nodelay(true).unwrap();
        }
        let mut state = self.state();
        for (from, to, way) in [(&near, &far, Way::There), (&far, &near, Way::Back)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (shared, caller, breaks) = (Arc::clone(&self), caller.to_owned(), state.breaks);
            thread::spawn(move || shared.carry(from, to, way, caller, breaks));
        }
        state.open.extend([near, far]);
        state.made += 1;
    }

    /// Two threads, so that what is on its way holds up nothing that is sent later.
    fn carry(
        self: Arc<Self>,
        mut from: TcpStream,
        to: TcpStream,
        way: Way,
        caller: String,
        breaks: u64,
    ) {
        let (sent, on_its_way) = mpsc::channel();
        thread::spawn(move || self.deliver(&on_its_way, to, way, &caller, breaks));
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sent
                .send((Instant::now(), buffer[..count].to_vec()))
                .is_err()
            {
                return;
            }
        }
    }

    fn deliver(
        &self,
        on_its_way: &mpsc::Receiver<(Instant, Vec<u8>)>,
        mut to: TcpStream,
        way: Way,
        caller: &str,
        breaks: u64,
    ) {
        let mut last = Instant::now();
        if let Way::There = way {
            last += self.state().first_sent_again_after;
        }
        for (sent_at, bytes) in on_its_way {
            self.wait_for(sent_at, bytes.len(), way, caller, &mut last);
            let Some(count) = self.let_through(bytes.len(), way, caller, breaks) else {
                return;
            };
            if to.write_all(&bytes[..count]).is_err() {
                return;
            }
            self.count(way, count);
        }
        if self.state().breaks == breaks {
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    /// Waits for as long as so many bytes take. `last`: when what was sent before was through.
    fn wait_for(&self, sent_at: Instant, count: usize, way: Way, caller: &str, last: &mut Instant) {
        let line = self.state().line(way, caller);
        let (delay, takes) = match line {
            Line::Good | Line::Silent => (Duration::ZERO, Duration::ZERO),
            Line::Slow(delay) => (delay, Duration::ZERO),
            Line::Narrow(delay, rate) => {
                let count = u32::try_from(count).unwrap();
                (delay, Duration::from_secs(1) * count / rate)
            }
        };
        *last = sent_at.max(*last) + takes;
        thread::sleep((*last + delay).saturating_duration_since(Instant::now()));
    }

    /// Waits while the line is silent; how much may pass. None once the connection is broken.
    fn let_through(&self, count: usize, way: Way, caller: &str, breaks: u64) -> Option<usize> {
        let state = self
            .changed
            .wait_while(self.state(), |state| {
                state.breaks == breaks && state.line(way, caller) == Line::Silent
            })
            .unwrap();
        let most = match (way, state.resets_after) {
            (Way::Back, Some(most)) => most,
            _ => usize::MAX,
        };
        (state.breaks == breaks).then_some(count.min(most))
    }

    /// So many bytes have passed: resets all connections if that was asked for.
    fn count(&self, way: Way, count: usize) {
        let mut state = self.state();
        let Way::Back = way else {
            return;
        };
        state.carried += count;
        let Some(left) = state.resets_after else {
            return;
        };
        state.resets_after = Some(left.saturating_sub(count)).filter(|left| *left > 0);
        if state.resets_after.is_none() {
            for stream in &state.open {
                // When the last handle of the socket is dropped, a reset is sent and no end.
                let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            }
            self.break_all(&mut state, Shutdown::Read);
        }
    }

    fn break_all(&self, state: &mut State, how: Shutdown) {
        state.breaks += 1;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(how);
        }
        self.changed.notify_all();
    }
}

impl State {
    fn line(&self, way: Way, caller: &str) -> Line {
        if self.unreachable_for.iter().any(|member| member == caller) {
            return Line::Silent;
        }
        match way {
            Way::There => self.there,
            Way::Back => self.back,
        }
    }
}

/// The id of the member of etcd whose request this is. Probes and questions for the version do not
/// say.
fn member_that_calls(stream: &TcpStream) -> String {
    const PATIENCE: usize = 200;
    let mut head = [0; 2048];
    for _ in 0..PATIENCE {
        let count = stream.peek(&mut head).unwrap_or(0);
        let text = String::from_utf8_lossy(&head[..count]);
        if count == 0 || text.contains("\r\n\r\n") {
            let named = text
                .lines()
                .find_map(|line| line.strip_prefix("X-Server-From: "));
            return named.unwrap_or_default().to_owned();
        }
        thread::sleep(Duration::from_millis(5));
    }
    String::new()
}
