//! Making and losing the connection: `Session::open`, `reach`, `pause` and `expire`.

use register::registration::{Event, Holder, Revision};

use super::{Connected, Doing, SETTLED_AFTER, Session};
use crate::clock::NEVER;
use crate::network::{Link, Op, Over};
use crate::world::Shared;

impl Session {
    pub(super) fn look_after_link(&mut self, shared: &mut Shared) {
        let Some(connected) = &mut self.connected else {
            return;
        };
        match connected.link.is_broken(shared, &self.line) {
            Ok(again) => connected.look_again = again,
            Err(()) => self.reset(shared),
        }
    }

    pub(super) fn open(&mut self, shared: &Shared) {
        self.over = Over::new(self.endpoint, shared);
        self.doing = Doing::Opening {
            flight: self.start(Op::Watch, shared),
            watching: None,
        };
    }

    pub(super) fn opened(
        &mut self,
        next: Revision,
        revision: Revision,
        holder: Holder,
        shared: &mut Shared,
    ) {
        self.connected = Some(Connected {
            link: Link::new(self.over),
            next,
            settles_at: shared.now + SETTLED_AFTER,
            look_again: NEVER,
        });
        self.tell(Event::Read { revision, holder });
        self.tell(Event::Connected);
        self.tried = 0;
        match self.waiting.take() {
            Some(request) => self.perform(request, shared),
            None => self.keep_alive(shared),
        }
    }

    /// The loop of `Session::reach`.
    pub(super) fn not_opened(&mut self, shared: &Shared) {
        self.rotate(shared);
        self.expire(shared);
        self.tried += 1;
        if self.tried < shared.etcd.members.len() {
            return self.open(shared);
        }
        self.tried = 0;
        if self.waiting.take().is_some() {
            self.lease = None;
            self.tell(Event::Failed);
        }
        self.pause(shared);
    }

    pub(super) fn pause(&mut self, shared: &Shared) {
        let until = shared.clock.at(shared.now) + self.backoff.delay();
        self.doing = Doing::Pausing {
            until: shared.clock.time_of(until),
        };
    }

    pub(super) fn rotate(&mut self, shared: &Shared) {
        self.endpoint = (self.endpoint + 1) % shared.etcd.members.len();
    }

    /// After `Session::serve` ended in an error.
    pub(super) fn broken(&mut self, shared: &Shared) {
        self.rotate(shared);
        let connected = self.connected.take();
        if connected.is_some_and(|connected| connected.settles_at != NEVER) {
            self.pause(shared);
        } else {
            self.open(shared);
        }
    }

    pub(super) fn expire(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.at(shared.now);
        match self.lease.take_if(|lease| now >= lease.expires_at()) {
            Some(lease) => {
                self.tell(Event::LeaseLost { lease: lease.id });
                true
            }
            None => false,
        }
    }
}
