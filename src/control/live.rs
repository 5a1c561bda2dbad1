//! What a running agent has registered, it would put again: it is asked to take it out itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use tracing::warn;

use super::ask;
use super::sockets::{self, DIRECTORY};
use super::table::is_wanted;
use crate::observe::client::{self, ClientError, DrainReply};

/// What an agent may take to say what it has.
const PATIENCE: Duration = Duration::from_secs(1);

/// The agents that answer, and what they have.
#[derive(Debug, Default)]
pub struct LiveAgents(Vec<(PathBuf, Value)>);

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// By the agent behind this socket.
    By(PathBuf),
    /// No agent that answers has it.
    Nobodys,
}

impl LiveAgents {
    /// Those behind the sockets that are given, or else behind all that there are. One that cannot be asked
    /// may have anything: that is said.
    pub async fn look(given: &[PathBuf], limit: Duration) -> Self {
        let limit = limit.min(PATIENCE);
        let sockets = match given {
            [] => sockets::below(Path::new(DIRECTORY)),
            given => given.to_vec(),
        };
        let asked = ask::all(sockets, async |socket| {
            let asked = timeout(limit, client::status(socket)).await;
            asked.unwrap_or(Err(ClientError::Silent))
        });
        let answers = asked.await.into_iter();
        let live = answers.filter_map(|(socket, answer)| match answer {
            Ok(status) => Some((socket, status)),
            // The agent is gone.
            Err(ClientError::Missing | ClientError::Stale) => None,
            Err(why) => {
                let socket = socket.display();
                warn!(
                    event = "not_asked",
                    "{socket}: {why}; if its agent has this service, it puts the key again"
                );
                None
            }
        });
        Self(live.collect())
    }

    /// Has the agent that has this key take it out, and waits for it for so long.
    pub async fn withdraw(&self, key: &str, limit: Duration) -> Withdrawn {
        let Some(socket) = self.holder(key) else {
            return Withdrawn::Nobodys;
        };
        let asked = timeout(limit, client::drain(socket, key, true, limit)).await;
        let why = match asked.unwrap_or(Ok(DrainReply::Unconfirmed)) {
            Ok(DrainReply::Done(_)) => return Withdrawn::By(socket.to_owned()),
            Ok(DrainReply::Unconfirmed) => "etcd has not confirmed it in time".to_owned(),
            Ok(DrainReply::Refused(why)) => why,
            // It has ended since.
            Ok(DrainReply::Unknown) | Err(ClientError::Missing | ClientError::Stale) => {
                return Withdrawn::Nobodys;
            }
            Err(why) => why.to_string(),
        };
        let socket = socket.display();
        warn!(
            event = "not_carried_out",
            key, "{socket}: {why}; its agent may put the key again"
        );
        Withdrawn::Nobodys
    }

    fn holder(&self, key: &str) -> Option<&Path> {
        let named = [key.to_owned()];
        let has_it = |(_, status): &&(PathBuf, Value)| {
            let services = status["services"].as_array().into_iter().flatten();
            services.into_iter().any(|one| is_wanted(one, &named))
        };
        let holder = self.0.iter().find(has_it);
        holder.map(|(socket, _)| socket.as_path())
    }
}
