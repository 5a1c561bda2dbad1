//! Endpoints from DNS: the SRV records of `_etcd-client-ssl._tcp.DOMAIN`, or where there are none, those
//! of `_etcd-client._tcp.DOMAIN`.
#![cfg_attr(
    not(test),
    expect(
        clippy::disallowed_methods,
        reason = "asks name servers, of which no simulation has any"
    )
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use renderer::functions::{SrvRecord, look_up_srv};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

use super::config::Discovery;
use crate::deadline::now;

/// Endpoints that are known are looked up again when all of them failed, and no sooner than this.
const PAUSE: Duration = Duration::from_secs(10);

/// URLs, or why there are none.
type Found = Result<Vec<String>, String>;

/// A search that can be made again and again.
#[derive(Clone, Debug)]
pub(super) struct Search {
    discovery: Discovery,
    /// Name servers that are down take longer than anybody waits: what they say at last is for who
    /// asks next.
    underway: Arc<Mutex<Option<JoinHandle<Found>>>>,
    /// When endpoints were found, and in which round over them.
    last: Option<(Instant, usize)>,
}

impl Search {
    pub(super) fn new(discovery: Discovery) -> Self {
        Self {
            discovery,
            underway: Arc::default(),
            last: None,
        }
    }

    /// Whether to look in this round over the endpoints that are known.
    pub(super) fn is_due(&self, round: usize) -> bool {
        self.last
            .is_none_or(|(at, then)| round != then && now().duration_since(at) >= PAUSE)
    }

    /// Cancel-safe.
    pub(super) async fn find(&mut self, round: usize) -> Found {
        let mut underway = self.underway.lock().await;
        let search = underway.get_or_insert_with(|| {
            let discovery = self.discovery.clone();
            spawn_blocking(move || discovery.look_up(look_up_srv))
        });
        let found = search.await.unwrap_or_else(|error| Err(error.to_string()));
        *underway = None;
        if found.is_ok() || self.last.is_some() {
            self.last = Some((now(), round));
        }
        found
    }
}

impl Discovery {
    /// `ask` gives the records of a name, or None where no name server can say.
    fn look_up(&self, ask: impl Fn(&str) -> Option<Vec<SrvRecord>>) -> Found {
        let domain = &self.domain;
        let kinds = [
            ("https", format!("_etcd-client-ssl._tcp.{domain}"), self.tls),
            ("http", format!("_etcd-client._tcp.{domain}"), self.plain),
        ];
        let wanted = kinds.into_iter().filter(|(.., wanted)| *wanted);
        let mut missing = Vec::new();
        for (scheme, name, _) in wanted {
            match ask(&format!("{name}.")) {
                None => return Err(format!("no name server answers for the SRV records {name}")),
                Some(records) if records.is_empty() => missing.push(name),
                Some(records) => return Ok(urls(scheme, records)),
            }
        }
        let missing = missing.join(" and no ");
        let passed_over = if self.plain {
            ""
        } else {
            "; without TLS none is looked for, as credentials or TLS flags are given"
        };
        Err(format!("there is no SRV record {missing}{passed_over}"))
    }
}

fn urls(scheme: &str, records: Vec<SrvRecord>) -> Vec<String> {
    let url = |record: &SrvRecord| {
        let host = record.host.trim_end_matches('.');
        format!("{scheme}://{host}:{}", record.port)
    };
    in_turn(records).iter().map(url).collect()
}

/// By priority, and at random by weight (RFC 2782), so that not everybody goes to the same member.
fn in_turn(mut records: Vec<SrvRecord>) -> Vec<SrvRecord> {
    let mut in_turn = Vec::with_capacity(records.len());
    records.sort_by_key(|record| record.priority);
    while let Some(first) = records.first() {
        let priority = first.priority;
        let rivals = records
            .iter()
            .take_while(|record| record.priority == priority);
        in_turn.push(records.remove(drawn(rivals.map(|record| record.weight))));
    }
    in_turn
}

/// A position, drawn by weight. Nothing beyond integers, or the whole of libm would be resident.
fn drawn(weights: impl Iterator<Item = u16> + Clone) -> usize {
    // No weight leaves a small chance.
    let mut shares = weights.map(|weight| u32::from(weight) + 1);
    let mut left = fastrand::u32(..shares.clone().sum::<u32>());
    let drawn = shares.position(|share| {
        let hit = left < share;
        left = left.saturating_sub(share);
        hit
    });
    drawn.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery(plain: bool) -> Discovery {
        Discovery {
            domain: "example.com".to_owned(),
            tls: true,
            plain,
        }
    }

    fn record(host: &str, priority: u16, weight: u16) -> SrvRecord {
        SrvRecord {
            host: format!("{host}."),
            port: 2379,
            priority,
            weight,
        }
    }

    const TLS: &str = "_etcd-client-ssl._tcp.example.com.";
    const PLAIN: &str = "_etcd-client._tcp.example.com.";

    /// A record at each of these names.
    fn found(plain: bool, at: &[&str]) -> Found {
        let ask = |name: &str| {
            let there = at.contains(&name).then(|| record("a.example.com", 1, 1));
            Some(there.into_iter().collect())
        };
        discovery(plain).look_up(ask)
    }

    #[test]
    fn those_with_tls_come_first_and_plain_ones_only_where_they_may() {
        let (https, http) = ("https://a.example.com:2379", "http://a.example.com:2379");
        assert_eq!(found(true, &[TLS, PLAIN]), Ok(vec![https.to_owned()]));
        assert_eq!(found(true, &[PLAIN]), Ok(vec![http.to_owned()]));
        let none = found(false, &[PLAIN]).expect_err("it is not asked for");
        assert!(
            none.contains("_etcd-client-ssl._tcp.example.com;"),
            "{none}"
        );
        let none = found(true, &[]).expect_err("there is none");
        assert!(
            none.ends_with("and no _etcd-client._tcp.example.com"),
            "{none}"
        );
    }

    #[test]
    fn servers_that_cannot_say_lead_to_no_plain_endpoint() {
        let ask = |name: &str| (name == PLAIN).then(|| vec![record("a", 1, 1)]);
        assert!(discovery(true).look_up(ask).is_err());
    }

    #[test]
    fn lower_priorities_come_first_and_heavier_ones_among_them_more_often() {
        let first = || {
            let records = vec![record("b", 2, 9), record("a", 1, 19), record("c", 1, 79)];
            let urls = urls("http", records);
            assert_eq!(urls[2], "http://b:2379");
            urls[0].clone()
        };
        let heavy = (0..300).filter(|_| first() == "http://c:2379").count();
        assert!((200..280).contains(&heavy), "{heavy}");
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_are_looked_up_again_when_all_have_failed_for_a_while() {
        let mut search = Search::new(discovery(true));
        assert!(search.is_due(0));
        search.last = Some((now(), 0));
        assert!(!search.is_due(1), "too soon");
        tokio::time::advance(PAUSE).await;
        assert!(!search.is_due(0), "they have not all failed");
        assert!(search.is_due(1));
    }
}
