//! The status page in a real browser: `make test-page`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

/// Chromium, over its WebDriver.
mod browser;
/// The page changes with the process, and says when it is gone.
mod following;
/// Widths, colours, and what is heard by those who do not see it.
mod looks;
/// The pictures of the documentation.
mod pictures;
/// Whatever values are, and with no script at all.
mod safety;
/// Serves the page as the process does.
mod site;

#[path = "../observability/samples.rs"]
mod samples;

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// For what should happen soon, on a loaded machine.
const SOON: Duration = Duration::from_secs(30);

/// Waits until `look` finds what is waited for, and fails with what it saw last.
fn eventually<T: Debug>(
    what: &str,
    mut look: impl FnMut() -> T,
    is_good: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        let seen = look();
        if is_good(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: last seen: {seen:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
