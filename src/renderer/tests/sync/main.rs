//! Files on disk and commands that run: what a sync does, and what is left when it fails.
#![expect(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "tests stop at the first surprise, use a part of the harness, and nobody else uses theirs"
)]

mod child;
mod gate;
mod host;
mod record;
#[path = "../../../../tests/harness/rights.rs"]
mod rights;

/// Groups in threads of their own, while commands of others hang.
mod beside;
/// Which check runs when, and what a failed one leaves.
mod checks;
/// Contents, owners, modes, links, mounts, full disks.
mod files;
/// Resources that share a reload.
mod groups;
/// Killed in the middle, and started again.
mod killed;
/// The log, word for word.
mod lines;
/// Full and read-only disks, and files that are mounted by themselves.
mod mounts;
/// File systems that ignore or refuse owner and mode, users that may give nothing away, few descriptors.
mod odd;
/// Reloads that fail, hang or are owed.
mod reloads;
/// Directories where others may put what they like: `/tmp`, and their own.
mod strangers;
