//! The runtime that drives everything: one thread, and others for work that blocks.

use anyhow::Result;

/// Runs `work` to its end.
///
/// # Errors
/// Those of `work`, or when no runtime can be had.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    // A name look-up may still hang in its thread; the process does not wait for it.
    runtime.shutdown_background();
    result
}
