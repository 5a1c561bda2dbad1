//! What becomes of the services' keys, and when that was seen.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use etcd_client::{Client, EventType, WatchOptions};

use crate::harness::{Etcd, SOON};

pub struct Changes(Receiver<(EventType, Instant)>);

impl Changes {
    /// From now on.
    pub fn of(etcd: &Etcd) -> Self {
        let (tell, told) = channel();
        let (ready, is_ready) = channel();
        let url = etcd.url();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut client = Client::connect([url], None).await.unwrap();
                let prefix = WatchOptions::new().with_prefix();
                let mut changes = client.watch("/services/", Some(prefix)).await.unwrap();
                ready.send(()).unwrap();
                // Until nobody listens, or etcd ends.
                while let Ok(Some(change)) = changes.message().await {
                    let now = Instant::now();
                    for event in change.events() {
                        if tell.send((event.event_type(), now)).is_err() {
                            return;
                        }
                    }
                }
            });
        });
        is_ready.recv().unwrap();
        Self(told)
    }

    /// When the next of this kind was seen.
    pub fn next(&self, what: EventType) -> Instant {
        self.next_within(what, SOON)
    }

    /// When the first and the last of the next so many of this kind were seen.
    pub fn span(&self, what: EventType, count: usize) -> (Instant, Instant) {
        self.span_within(what, count, SOON)
    }

    /// `limit`: from one change to the next.
    pub fn span_within(
        &self,
        what: EventType,
        count: usize,
        limit: Duration,
    ) -> (Instant, Instant) {
        let first = self.next_within(what, limit);
        let last = (1..count).fold(first, |_, _| self.next_within(what, limit));
        (first, last)
    }

    fn next_within(&self, what: EventType, limit: Duration) -> Instant {
        loop {
            let (change, when) = self.0.recv_timeout(limit).unwrap();
            if change == what {
                return when;
            }
        }
    }
}
