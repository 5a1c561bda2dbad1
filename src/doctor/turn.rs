//! Many questions over one link, some at a time.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::{Instant, timeout, timeout_at};

use super::STEP;
use super::finding::Finding;
use crate::etcd::api::{Answer, Call, Link};
use crate::etcd::error::EtcdError;
use crate::etcd::wire::WireLink;

/// How long all of a kind may take.
const ALL: Duration = Duration::from_secs(60);

const AT_ONCE: usize = 64;

/// Asks, and waits for no longer than a step.
pub(super) async fn ask(link: &WireLink, call: &Call) -> Result<Answer, EtcdError> {
    let answer = timeout(STEP, link.ask(call)).await;
    answer.unwrap_or_else(|_| Err(EtcdError::silent(link.endpoint(), STEP)))
}

/// What `look` finds of each, in order. `name` is for those that there is no time left for.
pub(super) async fn each<T>(
    things: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> String,
    look: impl AsyncFn(&T) -> Vec<Finding>,
) -> Vec<Finding> {
    let by = Instant::now() + ALL;
    let looks = things.into_iter().map(async |thing| {
        let found = timeout_at(by, look(&thing)).await;
        found.unwrap_or_else(|_| vec![Finding::skipped(name(&thing), "there was no time left")])
    });
    let found: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    found.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_skipped_and_the_rest_is_told_in_order() {
        let found = each(
            ["a", "hangs", "b"],
            |name| (*name).to_owned(),
            async |name| {
                if *name == "hangs" {
                    std::future::pending::<()>().await;
                }
                vec![Finding::ok(name, "good")]
            },
        );
        let found = found.await;
        let told: Vec<_> = found
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            told,
            ["good", "not looked at: there was no time left", "good"]
        );
    }
}
