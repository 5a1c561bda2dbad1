//! What is seen of a process from outside: over its control socket, and over HTTP if it listens.
//!
//! The loop that owns what is known is asked for it, and answers in its turn; everything else is in a
//! thread of its own, so that whoever looks on takes no time from the loop.

pub mod ask;
pub mod histogram;
pub mod json;
pub mod report;
#[cfg(test)]
pub mod sample;
