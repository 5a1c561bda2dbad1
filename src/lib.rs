//! The parts of the `register` binary, as a library for its tests, benches and simulations.
//! Not a public API.

pub mod address;
pub mod agent;
pub mod backoff;
pub mod cli;
pub mod columns;
pub mod config;
pub mod control;
pub mod deadline;
pub mod doctor;
pub mod etcd;
pub mod exit;
pub mod fault;
pub mod health;
pub mod host;
pub mod list;
pub mod log;
pub mod longest;
pub mod observe;
pub mod os;
pub mod probe;
pub mod proxy;
pub mod registration;
pub mod tls;
pub mod wording;
pub mod world;
