//! The proxy side: keeps configuration files in step with etcd.

pub mod debounce;
pub mod schedule;
