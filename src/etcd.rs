//! etcd v3. What is asked of it is in `api`; `wire` alone names `etcd_client`.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod announcement;
pub mod api;
pub mod config;
mod discovery;
pub mod error;
pub mod follow;
pub mod holder;
pub mod lease;
pub mod list;
pub mod our_leases;
mod outage;
pub mod procedure;
pub mod progress;
pub mod reach;
mod reading;
pub mod record;
pub mod renewal;
pub mod session;
mod status;
mod stream;
mod token;
pub mod turns;
pub mod wire;
