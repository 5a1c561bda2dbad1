//! Whether bytes keep coming over a connection.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// How often it is looked whether something came, within the time that nothing may.
const LOOKS: u32 = 20;

/// Counts the bytes that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(Arc<AtomicU64>);

/// Nothing came for that long.
#[derive(Debug)]
pub(super) struct Silence;

impl Arrivals {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for `work` for as long as bytes come, with pauses shorter than `patience`.
    pub(super) async fn outlast<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Silence> {
        let mut work = pin!(work);
        let mut seen = self.count();
        let mut silent_looks = 0;
        while silent_looks < LOOKS {
            if let Ok(done) = timeout(patience / LOOKS, work.as_mut()).await {
                return Ok(done);
            }
            let now = self.count();
            silent_looks = if now == seen { silent_looks + 1 } else { 0 };
            seen = now;
        }
        Err(Silence)
    }
}

/// A stream whose incoming bytes are counted.
pub(super) struct Counted<S> {
    stream: S,
    arrivals: Arrivals,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, arrivals: Arrivals) -> Self {
        Self { stream, arrivals }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let came = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        this.arrivals.0.fetch_add(came, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn what_keeps_coming_may_take_as_long_as_it_likes() {
        let (mut far, near) = duplex(64);
        let arrivals = Arrivals::default();
        let mut near = Counted::new(near, arrivals.clone());
        let drip = async {
            for _ in 0..10 {
                sleep(Duration::from_secs(4)).await;
                far.write_all(b"x").await.expect("somebody reads");
            }
        };
        let mut bytes = [0; 10];
        let read = arrivals.outlast(PATIENCE, near.read_exact(&mut bytes));
        let (read, ()) = tokio::join!(read, drip);
        assert!(read.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let (_far, near) = duplex(64);
        let arrivals = Arrivals::default();
        let mut near = Counted::new(near, arrivals.clone());
        let begun = Instant::now();
        let read = arrivals.outlast(PATIENCE, near.read_u8()).await;
        assert!(read.is_err());
        assert!(begun.elapsed() < PATIENCE + Duration::from_secs(1));
    }
}
