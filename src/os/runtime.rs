//! The runtime that drives everything: one thread, and others for work that blocks.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crate::exit::RunError;

/// As good as for ever.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// Runs `work` to its end.
///
/// # Errors
/// Those of `work`, or when no runtime can be had.
pub fn block_on<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    look_for_descriptors()
        .map_err(|error| RunError::of_host(error).meaning("no file descriptors are left"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(KEPT)
        .build()?;
    // tokio panics when it has no thread for work that blocks, and can get none. So it gets one
    // while we may still fail, and keeps it.
    let tried = thread::Builder::new().spawn(|| ());
    let tried = tried.map_err(|error| RunError::from(error).meaning("no thread can be started"))?;
    let _ended = tried.join();
    runtime.spawn_blocking(|| ());
    let result = runtime.block_on(work);
    // A name look-up may still hang in its thread; the process does not wait for it.
    runtime.shutdown_background();
    result
}

/// tokio panics when there are none for its signals. So there must be as many as it takes, five,
/// while we may still fail.
fn look_for_descriptors() -> io::Result<()> {
    let _five_and_one = [
        UnixStream::pair()?,
        UnixStream::pair()?,
        UnixStream::pair()?,
    ];
    Ok(())
}
