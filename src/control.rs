//! The commands that ask running agents and proxy sides over their control sockets.

mod ask;
pub mod drain;
pub mod live;
mod sockets;
pub mod status;
mod table;
mod times;
