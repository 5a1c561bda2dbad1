//! `register status`: what running agents and proxy sides know.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tracing::error;

use super::{ask, sockets, table};
use crate::cli::OutputFormat;
use crate::config::StatusConfig;
use crate::exit::{Exit, RunError};
use crate::observe::client::{self, ClientError};
use crate::os::output;
use crate::wording::printable_json;

type Answers = Vec<(PathBuf, Result<Value, ClientError>)>;

/// # Errors
/// When nobody is there to be asked.
pub async fn run(config: StatusConfig) -> Result<Exit, RunError> {
    let StatusConfig {
        names,
        sockets,
        output: format,
    } = config;
    let asked = ask::all(sockets::those(&sockets)?, async |socket| {
        client::status(socket).await
    });
    let answers = asked.await;
    for (socket, answer) in &answers {
        if let Err(why) = answer {
            error!(event = "not_asked", "{}: {why}", socket.display());
        }
    }
    output::print(&match format {
        OutputFormat::Text => text(&answers, &names),
        OutputFormat::Json => json(&answers, &names),
    })?;
    let unknown = unknown(&answers, &names);
    for name in &unknown {
        error!(event = "service_unknown", "{}", unknown_to(name));
    }
    let is_whole = unknown.is_empty() && answers.iter().all(|(_, answer)| answer.is_ok());
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

/// Nobody has such a service.
pub(super) fn unknown_to(name: &str) -> String {
    format!("no agent that was asked has a service {name:?}; `register status` lists what there is")
}

fn text(answers: &Answers, names: &[String]) -> String {
    let tables = answers.iter().filter_map(|(socket, answer)| {
        let status = answer.as_ref().ok()?;
        let has_any = names.is_empty() || services(status).any(|one| table::is_wanted(one, names));
        has_any.then(|| table::of(&socket.display().to_string(), status, names))
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn json(answers: &Answers, names: &[String]) -> String {
    let answers = answers.iter().map(|(socket, answer)| match answer {
        Ok(status) => json!({ "socket": shown(socket), "status": only(status, names) }),
        Err(why) => json!({ "socket": shown(socket), "error": why.to_string() }),
    });
    let answers: Value = answers.collect();
    format!("{}\n", printable_json(&answers))
}

fn shown(socket: &Path) -> String {
    socket.display().to_string()
}

/// The status with these services alone.
fn only(status: &Value, names: &[String]) -> Value {
    let mut status = status.clone();
    if let Some(services) = status["services"].as_array_mut() {
        services.retain(|service| table::is_wanted(service, names));
    }
    status
}

fn services(status: &Value) -> impl Iterator<Item = &Value> {
    status["services"].as_array().into_iter().flatten()
}

/// Those of the names that nobody knows.
fn unknown<'a>(answers: &Answers, names: &'a [String]) -> Vec<&'a String> {
    let statuses: Vec<_> = answers
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().ok())
        .collect();
    let is_known = |name: &&String| {
        let name = std::slice::from_ref(*name);
        let mut all = statuses.iter().flat_map(|status| services(status));
        all.any(|service| table::is_wanted(service, name))
    };
    names.iter().filter(|name| !is_known(name)).collect()
}
