//! What is answered to which request.

use std::sync::Arc;
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tokio::sync::mpsc;

use super::answer::{self, Answer};
use super::ask::Ask;
use super::drains::Drains;
use super::hosts::Hosts;
use super::limits::Limits;
use super::report::{Report, Side};
use super::reports::{Reports, Seen, Silent};

/// A proxy side that etcd has not answered for longer may have old files.
const ETCD_SEEN: Duration = Duration::from_secs(60);

const READERS: &str = "GET, HEAD";
const WRITERS: &str = "POST";

/// By which door who asks has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    Network,
    /// At the control socket.
    Local {
        uid: u32,
    },
}

pub(super) struct Desk {
    hosts: Hosts,
    reports: Reports,
    drains: Drains,
}

impl Desk {
    pub(super) fn new(asks: mpsc::Sender<Ask>, hosts: Hosts, limits: Limits) -> Self {
        Self {
            hosts,
            reports: Reports::new(asks.clone(), limits),
            drains: Drains(asks),
        }
    }

    pub(super) async fn answer(&self, request: &Parts, has_body: bool, by: Visitor) -> Answer {
        if by == Visitor::Network && !self.hosts.admit(&request.uri, &request.headers) {
            let words = "not served by this name; allow it with --listen-host";
            return answer::words(StatusCode::MISDIRECTED_REQUEST, words);
        }
        if has_body {
            let words = "send no body";
            return answer::words(StatusCode::PAYLOAD_TOO_LARGE, words);
        }
        match (request.uri.path(), by) {
            ("/api/v1/drain", Visitor::Local { uid }) => self.drain(request, true, uid).await,
            ("/api/v1/resume", Visitor::Local { uid }) => self.drain(request, false, uid).await,
            (path, _) => match view_of(path) {
                Some(view) if is_read(&request.method) => self.show(view).await,
                Some(_) => answer::not_allowed(READERS),
                None => answer::words(StatusCode::NOT_FOUND, "not found"),
            },
        }
    }

    async fn drain(&self, request: &Parts, drained: bool, uid: u32) -> Answer {
        if request.method != Method::POST {
            return answer::not_allowed(WRITERS);
        }
        let query = request.uri.query().unwrap_or_default();
        let answer = self.drains.answer(query, drained, uid).await;
        self.reports.forget().await;
        answer
    }

    async fn show(&self, view: View) -> Answer {
        match self.reports.now().await {
            Ok(seen) => view(&seen),
            Err(Silent) => unavailable("the process does not answer"),
        }
    }
}

type View = fn(&Arc<Seen>) -> Answer;

fn view_of(path: &str) -> Option<View> {
    Some(match path {
        "/" => |seen| answer::page(seen.page()),
        "/metrics" => |seen| answer::metrics(seen.metrics()),
        "/api/v1/status" => |seen| answer::status(seen.status()),
        "/healthz" => |_| answer::words(StatusCode::OK, "ok"),
        "/readyz" => |seen| match fault_of(&seen.report) {
            None => answer::words(StatusCode::OK, "ready"),
            Some(fault) => unavailable(fault),
        },
        _ => return None,
    })
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn unavailable(why: &str) -> Answer {
    answer::words(StatusCode::SERVICE_UNAVAILABLE, why)
}

/// Why a process is not ready.
fn fault_of(report: &Report) -> Option<&'static str> {
    if report.is_stopping {
        return Some("stopping");
    }
    if !report.is_ready {
        return Some("starting");
    }
    let is_recent = |at| report.at.saturating_duration_since(at) <= ETCD_SEEN;
    match report.side {
        Side::Proxy(_) if !report.etcd.answered_at.is_some_and(is_recent) => {
            Some("etcd has not answered for a minute")
        }
        Side::Proxy(_) | Side::Agent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_process_is_ready_while_it_does_what_it_is_for() {
        let mut report = sample::proxy(&["nginx.toml"]);
        assert_eq!(fault_of(&report), None);
        report.etcd.answered_at = Some(report.at - 2 * ETCD_SEEN);
        let fault = Some("etcd has not answered for a minute");
        assert_eq!(fault_of(&report), fault);
        report.is_ready = false;
        assert_eq!(fault_of(&report), Some("starting"));
        report.is_stopping = true;
        assert_eq!(fault_of(&report), Some("stopping"));
    }

    #[test]
    fn an_agent_keeps_its_keys_ready_without_etcd() {
        let mut report = sample::agent(&["web"]);
        report.etcd.answered_at = None;
        assert_eq!(fault_of(&report), None);
    }
}
