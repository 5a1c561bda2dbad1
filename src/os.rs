//! This host: its signals, processes, timers and streams, and its service manager.

pub mod alarm;
pub mod child_env;
pub mod init;
pub mod interface;
pub mod log_thread;
pub mod notify;
pub mod output;
pub mod process;
pub mod runtime;
pub mod signal;
