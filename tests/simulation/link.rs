//! Links to the model of etcd.

use std::collections::VecDeque;
use std::task::Poll;

use register::etcd::api::{
    Answer, Call, Dial, Link, Login, Renewals, Renewed, Watch, WatchAnswer, WatchFrom,
};
use register::etcd::error::EtcdError;
use register::registration::LeaseId;

use crate::etcd::Asked;
use crate::keys;
use crate::model::Shared;
use crate::network::{ENDPOINTS, Op, Reply};

#[derive(Clone)]
pub struct SimDial {
    pub shared: Shared,
    pub client: usize,
    /// The number of the process.
    pub by: usize,
}

/// Closed when this goes.
pub struct SimLink {
    shared: Shared,
    by: usize,
    number: usize,
}

pub struct SimWatch {
    shared: Shared,
    number: usize,
}

/// The answers come in the order in which they were asked for.
pub struct SimRenewals {
    shared: Shared,
    link: usize,
    under_way: VecDeque<(LeaseId, Under)>,
}

/// A call under way. It is left when this goes.
struct Under {
    shared: Shared,
    flight: u64,
}

impl Under {
    async fn way(&self) -> Result<Reply, EtcdError> {
        std::future::poll_fn(|cx| {
            let mut model = self.shared.borrow_mut();
            match model.heard(self.flight) {
                Some(reply) => Poll::Ready(reply),
                None => {
                    model.keep_waker(self.flight, cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave(self.flight);
    }
}

impl Drop for SimLink {
    fn drop(&mut self) {
        self.shared.borrow_mut().close(self.number);
    }
}

impl SimLink {
    async fn send(&self, op: Op) -> Result<Reply, EtcdError> {
        let flight = self.shared.borrow_mut().send(self.number, op);
        let under = Under {
            shared: self.shared.clone(),
            flight,
        };
        under.way().await
    }
}

impl Dial for SimDial {
    type Link = SimLink;

    fn endpoint_count(&self) -> usize {
        self.shared.borrow().etcd.members.len()
    }

    fn endpoint(&self, number: usize) -> &str {
        ENDPOINTS[number]
    }

    async fn dial(&mut self, number: usize, _round: usize) -> Result<SimLink, EtcdError> {
        let Self { client, by, .. } = *self;
        let number = self.shared.borrow_mut().link(client, by, number);
        let link = SimLink {
            shared: self.shared.clone(),
            by,
            number,
        };
        link.send(Op::Dial).await?;
        Ok(link)
    }
}

impl Link for SimLink {
    type Watch = SimWatch;
    type Renewals = SimRenewals;

    fn endpoint(&self) -> &str {
        self.shared.borrow().endpoint_of(self.number)
    }

    async fn log_in(&self) -> Result<Login, EtcdError> {
        let named = self.shared.borrow().processes[self.by].named;
        if !named {
            return Ok(Login::AsAsked);
        }
        match self.send(Op::LogIn).await? {
            Reply::LoggedIn(login) => Ok(login),
            other => unreachable!("{other:?}"),
        }
    }

    async fn ask(&self, call: &Call) -> Result<Answer, EtcdError> {
        let key_of = |key: &str| keys::of_name(key.as_bytes()).expect("a key that there is");
        let asked = match call {
            Call::Read(read) => Asked::Read(read.clone()),
            Call::Grant { lease, ttl } => Asked::grant(*lease, *ttl, self.shared.borrow().now),
            Call::Put {
                announcement,
                lease,
                unchanged_since,
            } => Asked::Put {
                key: key_of(&announcement.key),
                value: announcement.value.as_bytes()[0],
                lease: *lease,
                unchanged_since: *unchanged_since,
            },
            Call::Delete { announcement, when } => Asked::Delete {
                key: key_of(&announcement.key),
                when: *when,
            },
            Call::Revoke(lease) => Asked::Revoke(*lease),
            Call::TimeLeft(_) => unreachable!("only `list` asks that"),
        };
        self.shared.borrow_mut().check_deletion(self.by, &asked);
        match self.send(Op::Ask(asked)).await? {
            Reply::Answer(answer) => Ok(answer),
            other => unreachable!("{other:?}"),
        }
    }

    async fn watch(&self, watches: &[WatchFrom<'_>]) -> Result<SimWatch, EtcdError> {
        let ranges = watches
            .iter()
            .map(|watch| (watch.range.clone(), watch.next));
        match self.send(Op::Watch(ranges.collect())).await? {
            Reply::Watching(number) => Ok(SimWatch {
                shared: self.shared.clone(),
                number,
            }),
            other => unreachable!("{other:?}"),
        }
    }

    fn renewals(&self) -> SimRenewals {
        SimRenewals {
            shared: self.shared.clone(),
            link: self.number,
            under_way: VecDeque::new(),
        }
    }

    fn arrived(&self) -> u64 {
        0
    }
}

impl Renewals for SimRenewals {
    fn ask(&mut self, lease: LeaseId) {
        let op = Op::Ask(Asked::Renew(lease));
        let flight = self.shared.borrow_mut().send(self.link, op);
        let shared = self.shared.clone();
        self.under_way.push_back((lease, Under { shared, flight }));
    }

    async fn next(&mut self) -> Result<Renewed, EtcdError> {
        let Some((lease, under)) = self.under_way.front() else {
            return std::future::pending().await;
        };
        let (lease, reply) = (*lease, under.way().await);
        self.under_way.pop_front();
        match reply? {
            Reply::Answer(Answer::TimeLeft(ttl)) => Ok(Renewed { lease, ttl }),
            other => unreachable!("{other:?}"),
        }
    }
}

impl Watch for SimWatch {
    async fn next(&mut self) -> Result<WatchAnswer, EtcdError> {
        std::future::poll_fn(|_| match self.shared.borrow_mut().tell(self.number) {
            Some(told) => Poll::Ready(told),
            None => Poll::Pending,
        })
        .await
    }
}
