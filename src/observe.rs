//! What is seen of a process from outside: over its control socket, and over HTTP if it listens.
//!
//! The loop that owns what is known is asked for it, and answers in its turn; everything else is in a
//! thread of its own, so that whoever looks on takes no time from the loop.

mod answer;
pub mod ask;
pub mod client;
pub mod config;
mod connection;
mod desk;
mod door;
pub mod doors;
mod drains;
mod guests;
pub mod histogram;
mod hosts;
pub mod json;
pub mod limits;
mod lingering;
mod lock;
pub mod metrics;
pub mod page;
mod progress;
mod query;
pub mod report;
mod reports;
#[cfg(test)]
pub mod sample;
mod socket;

pub use config::ObserveConfig;
pub use doors::{Doors, Serving, open};
