//! Reports of the loop, each made once for all who look on at one time.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::ask::Ask;
use super::limits::Limits;
use super::report::Report;
use super::{json, metrics, page};
use crate::os::log_thread;

pub(super) struct Reports {
    asks: mpsc::Sender<Ask>,
    limits: Limits,
    kept: Mutex<Option<Kept>>,
}

/// What the loop last answered, if it did.
struct Kept {
    at: Instant,
    seen: Result<Arc<Seen>, Silent>,
}

/// The loop did not answer in time, or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silent;

/// A report, and what is made of it, once it is asked for.
pub(super) struct Seen {
    pub(super) report: Report,
    wall: SystemTime,
    metrics: OnceLock<Bytes>,
    status: OnceLock<Bytes>,
    page: OnceLock<Bytes>,
}

impl Reports {
    pub(super) fn new(asks: mpsc::Sender<Ask>, limits: Limits) -> Self {
        Self {
            asks,
            limits,
            kept: Mutex::default(),
        }
    }

    /// No older than it may be. All who wait for the loop at one time get one answer.
    pub(super) async fn now(&self) -> Result<Arc<Seen>, Silent> {
        let asked_at = Instant::now();
        let mut kept = self.kept.lock().await;
        let is_good = |kept: &&Kept| kept.at >= asked_at || kept.at.elapsed() < self.limits.fresh;
        if let Some(kept) = kept.as_ref().filter(is_good) {
            return kept.seen.clone();
        }
        let seen = self.ask().await.map(Seen::of).map(Arc::new);
        let at = Instant::now();
        *kept = Some(Kept {
            at,
            seen: seen.clone(),
        });
        seen
    }

    /// Something was changed: who asks next is to see it.
    pub(super) async fn forget(&self) {
        self.kept.lock().await.take();
    }

    async fn ask(&self) -> Result<Report, Silent> {
        let asked = async {
            let (answer, answered) = oneshot::channel();
            self.asks.send(Ask::Report(answer)).await.ok()?;
            answered.await.ok()
        };
        let answered = timeout(self.limits.report, asked).await;
        answered.ok().flatten().ok_or(Silent)
    }
}

impl Seen {
    fn of(report: Report) -> Self {
        Self {
            report,
            wall: SystemTime::now(),
            metrics: OnceLock::new(),
            status: OnceLock::new(),
            page: OnceLock::new(),
        }
    }

    pub(super) fn metrics(&self) -> Bytes {
        let dropped = log_thread::lines_dropped();
        let make = || metrics::text(&self.report, dropped).into();
        self.metrics.get_or_init(make).clone()
    }

    pub(super) fn status(&self) -> Bytes {
        let make = || format!("{}\n", json::of(&self.report, self.wall)).into();
        self.status.get_or_init(make).clone()
    }

    pub(super) fn page(&self) -> Bytes {
        let make = || page::html(&self.report, self.wall).into();
        self.page.get_or_init(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::{ask, sample};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_readers_ask_the_loop_once_until_the_report_is_old() {
        let (asks, mut asked) = ask::channel();
        let reports = Reports::new(asks, Limits::default());
        let fresh = Limits::default().fresh;
        let answer = async {
            let mut count = 0;
            while let Ok(Some(Ask::Report(answer))) = timeout(fresh, asked.recv()).await {
                count += 1;
                let _heard = answer.send(sample::agent(&["web"]));
            }
            count
        };
        let readers = async {
            let all = join_all((0..100).map(|_| reports.now())).await;
            assert!(all.iter().all(Result::is_ok));
        };
        let (count, ()) = tokio::join!(answer, readers);
        assert_eq!(count, 1);
        // By now it is too old.
        let (later, _unanswered) = tokio::join!(reports.now(), asked.recv());
        assert!(later.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_keeps_a_crowd_waiting_for_one_deadline() {
        let (asks, _asked) = ask::channel();
        let reports = Reports::new(asks, Limits::default());
        let begun = Instant::now();
        let all = join_all((0..100).map(|_| reports.now())).await;
        assert!(all.iter().all(|seen| seen.as_ref().err() == Some(&Silent)));
        assert_eq!(begun.elapsed(), Limits::default().report);
    }

    #[tokio::test]
    async fn a_loop_that_is_gone_is_not_waited_for() {
        let (asks, _) = ask::channel();
        let reports = Reports::new(asks, Limits::default());
        assert!(reports.now().await.is_err());
    }
}
