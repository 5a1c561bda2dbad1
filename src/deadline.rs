//! Waiting for a deadline that may not be there.

use std::time::Instant;

/// Sleeps until `deadline`; for ever if there is none. Cancel-safe.
pub async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
