//! The parts of the `register` binary, as a library for its tests, benches and simulations.
//! Not a public API.

pub mod address;
pub mod agent;
pub mod alarm;
pub mod backoff;
pub mod child_env;
pub mod cli;
pub mod confd;
pub mod config;
pub mod deadline;
pub mod etcd;
pub mod exit;
pub mod health;
pub mod host;
pub mod init;
pub mod list;
pub mod log;
pub mod notify;
pub mod oneshot;
pub mod output;
pub mod probe;
pub mod proxy;
pub mod registration;
pub mod runtime;
pub mod signal;
pub mod tls;
pub mod wording;
pub mod world;
