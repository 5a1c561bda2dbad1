//! Asks several sockets side by side, so that one that hangs does not hold up the others.

use std::path::PathBuf;

use futures_util::stream::{self, StreamExt as _};

/// Sockets that are asked at one time.
const AT_ONCE: usize = 64;

/// The answers in the order of the sockets.
pub(super) async fn all<T>(
    sockets: Vec<PathBuf>,
    ask: impl AsyncFn(&PathBuf) -> T,
) -> Vec<(PathBuf, T)> {
    let ask = &ask;
    let asking = sockets.into_iter().map(async |socket| {
        let answer = ask(&socket).await;
        (socket, answer)
    });
    stream::iter(asking).buffered(AT_ONCE).collect().await
}
