//! etcd v3. What is asked of it is in `api`; `wire` alone names `etcd_client`.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod api;
mod copy;
pub mod error;
pub mod follow;
pub mod granted;
pub mod holder;
pub mod lease;
pub mod list;
mod outage;
pub mod procedure;
pub mod progress;
pub mod reach;
pub mod session;
mod status;
mod stream;
pub mod tls;
pub mod turns;
pub mod wire;
