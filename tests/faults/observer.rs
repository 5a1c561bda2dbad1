//! Looks at a key all the time, past every fault: each change of who holds it, and when it was seen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::harness::eventually;

const PACE: Duration = Duration::from_millis(25);
/// A member that takes longer is left for the next.
const PATIENCE: Duration = Duration::from_millis(500);

/// The lease that holds the key, and its value. None while there is no key.
pub type Holder = Option<(i64, String)>;

pub struct Observer {
    seen: Arc<Mutex<Vec<(Instant, Holder)>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    pub fn start(urls: Vec<String>, user: Option<(&str, &str)>, key: String) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let options = user.map(|(name, password)| {
            etcd_client::ConnectOptions::new()
                .with_user(name, password)
                .with_auto_token_refresh(true)
        });
        let (kept, ends) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for url in urls.iter().cycle() {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    let connected = etcd_client::Client::connect([url], options.clone());
                    if let Ok(Ok(client)) = timeout(PATIENCE, connected).await {
                        look(client, &key, &kept, &ends).await;
                    }
                    tokio::time::sleep(PACE).await;
                }
            });
        });
        Self {
            seen,
            over,
            thread: Some(thread),
        }
    }

    /// All that was seen, in order.
    pub fn history(&self) -> Vec<(Instant, Holder)> {
        self.seen.lock().unwrap().clone()
    }

    pub fn now(&self) -> Holder {
        self.history().pop().and_then(|(_, holder)| holder)
    }

    /// Waits until the holder is one of those asked for: when that was first seen, and who.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        fits: impl Fn(&Holder) -> bool,
    ) -> (Instant, Holder) {
        eventually(what, limit, || {
            let history = self.history();
            match history.last() {
                Some(last) if fits(&last.1) => Ok(last.clone()),
                _ => Err(format!("{history:?}")),
            }
        })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until the member does not answer.
async fn look(
    mut client: etcd_client::Client,
    key: &str,
    seen: &Mutex<Vec<(Instant, Holder)>>,
    over: &AtomicBool,
) {
    while !over.load(Ordering::Relaxed) {
        let Ok(Ok(answer)) = timeout(PATIENCE, client.get(key, None)).await else {
            return;
        };
        let holder = answer.kvs().first().map(|kv| {
            let value = String::from_utf8_lossy(kv.value()).into_owned();
            (kv.lease(), value)
        });
        note(holder, &mut seen.lock().unwrap());
        tokio::time::sleep(PACE).await;
    }
}

fn note(holder: Holder, seen: &mut Vec<(Instant, Holder)>) {
    if seen.last().is_none_or(|(_, last)| *last != holder) {
        seen.push((Instant::now(), holder));
    }
}
