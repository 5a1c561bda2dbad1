//! `register drain` and `register resume`: services are taken out and put back in, by the agents that have
//! them.

use std::path::{Path, PathBuf};

use tracing::error;

use super::status::unknown_to;
use super::{ask, sockets};
use crate::config::DrainConfig;
use crate::exit::{Exit, RunError};
use crate::observe::client::{self, ClientError, DrainReply};
use crate::os::output;
use crate::wording;

/// What each that was asked said of one name.
type Replies = Vec<(PathBuf, Result<DrainReply, ClientError>)>;

/// `quiet`: nothing is printed of what has succeeded.
///
/// # Errors
/// When nobody is there to be asked.
pub async fn run(config: DrainConfig, quiet: bool) -> Result<Exit, RunError> {
    let sockets = sockets::those(&config.sockets)?;
    let mut exit = Exit::Done;
    for name in &config.names {
        let (drained, wait) = (config.drained, config.wait);
        let asked = ask::all(sockets.clone(), async |socket| {
            client::drain(socket, name, drained, wait).await
        });
        let replies = asked.await;
        if !quiet {
            output::print(&done(&replies, drained))?;
        }
        exit = worse(exit, of(&replies, name, &config));
    }
    Ok(exit)
}

fn done(replies: &Replies, drained: bool) -> String {
    let what = if drained { "drained" } else { "resumed" };
    let keys = replies.iter().filter_map(|(_, reply)| match reply {
        Ok(DrainReply::Done(keys)) => Some(keys),
        _ => None,
    });
    let lines = keys.flatten().map(|key| {
        let key = wording::printable(key.as_bytes());
        format!("{what} {key}\n")
    });
    lines.collect()
}

/// Says what went wrong.
fn of(replies: &Replies, name: &str, config: &DrainConfig) -> Exit {
    let mut exit = Exit::Done;
    for (socket, reply) in replies {
        if let Some(why) = fault(reply, config) {
            error!(event = "not_carried_out", "{}: {why}", shown(socket));
            exit = Exit::Store;
        }
    }
    let knows =
        |(_, reply): &(PathBuf, Result<DrainReply, _>)| !matches!(reply, Ok(DrainReply::Unknown));
    if !replies.iter().any(knows) {
        error!(event = "service_unknown", "{}", unknown_to(name));
        return Exit::Usage;
    }
    exit
}

fn fault(reply: &Result<DrainReply, ClientError>, config: &DrainConfig) -> Option<String> {
    match reply {
        Ok(DrainReply::Done(_) | DrainReply::Unknown) => None,
        Ok(DrainReply::Refused(why)) => Some(why.clone()),
        Ok(DrainReply::Unconfirmed) => {
            let wait = wording::duration(config.wait);
            Some(format!(
                "etcd has not confirmed it within {wait}; it stays in force"
            ))
        }
        Err(why) => Some(why.to_string()),
    }
}

fn shown(socket: &Path) -> String {
    socket.display().to_string()
}

/// A mistake in what was asked for counts for more than etcd's silence.
fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Usage, _) | (_, Exit::Usage) => Exit::Usage,
        (Exit::Done, other) => other,
        (one, _) => one,
    }
}
