//! etcd v3: the only place that names `etcd_client`.

mod arrivals;
pub mod connection;
mod copy;
pub mod error;
pub mod follow;
pub mod granted;
pub mod key;
pub mod lease;
mod outage;
pub mod procedure;
pub mod progress;
pub mod read;
pub mod session;
mod stream;
pub mod tls;
