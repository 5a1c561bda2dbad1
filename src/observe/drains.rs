//! Takes services out and back in, for who asks at the control socket.

use hyper::StatusCode;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::ask::{Ask, DrainAnswer, DrainAsk};
use super::query::DrainQuery;

pub(super) struct Drains(pub(super) mpsc::Sender<Ask>);

impl Drains {
    /// Waits until it is done, but no longer than who asks wants to.
    pub(super) async fn answer(&self, query: &str, drained: bool, uid: u32) -> Answer {
        let query = match DrainQuery::parse(query) {
            Ok(query) => query,
            Err(fault) => return refused(StatusCode::BAD_REQUEST, &fault),
        };
        let service = query.service.clone();
        match timeout(query.wait, self.ask(query.service, drained, uid)).await {
            Ok(Some(DrainAnswer::Done(keys))) => {
                answer::json(StatusCode::OK, &json!({ "services": keys }))
            }
            Ok(Some(DrainAnswer::Unknown)) => {
                let words = format!("there is no service {service:?}");
                refused(StatusCode::NOT_FOUND, &words)
            }
            Ok(Some(DrainAnswer::Refused(reason))) => refused(StatusCode::CONFLICT, reason),
            Ok(None) => refused(StatusCode::CONFLICT, "the process is about to end"),
            Err(_) => refused(
                StatusCode::GATEWAY_TIMEOUT,
                "not confirmed in time; it stays in force",
            ),
        }
    }

    /// None when the loop is gone.
    async fn ask(&self, service: String, drained: bool, uid: u32) -> Option<DrainAnswer> {
        let (answer, answered) = oneshot::channel();
        let ask = DrainAsk {
            service,
            drained,
            uid,
            answer,
        };
        self.0.send(Ask::Drain(ask)).await.ok()?;
        answered.await.ok()
    }
}

fn refused(status: StatusCode, reason: &str) -> Answer {
    answer::json(status, &json!({ "error": reason }))
}
