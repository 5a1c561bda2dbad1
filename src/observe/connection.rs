//! One connection: one request, one answer. To ask again is to connect again, so that nobody keeps a place
//! for nothing.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::answer::Answer;
use super::desk::{Desk, Visitor};
use super::limits::Limits;
use super::lingering::Lingering;
use super::progress::{Course, Progress, Stage};
use crate::deadline::sleep_until_some;

/// The most of a request, its line and its headers.
const REQUEST_SIZE: usize = 8 << 10;
const HEADERS: usize = 64;

pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) visitor: Visitor,
    pub(super) desk: Arc<Desk>,
    pub(super) limits: Limits,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Until it is over, or has taken too long.
    pub(super) async fn serve(self, course: Course, progress: watch::Receiver<Progress>) {
        let stream = Lingering::new(self.stream, course.clone());
        let answer = |request| answer(&self.desk, self.visitor, &course, request);
        let mut http = http1::Builder::new();
        http.keep_alive(false)
            // Who has sent a request over the network may close his half of the connection.
            .half_close(self.visitor == Visitor::Network)
            .max_buf_size(REQUEST_SIZE)
            .max_headers(HEADERS);
        let served = http.serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::select! {
            biased;
            // Whatever went wrong went wrong with who asks.
            _ended = served => {}
            () = overdue(progress, &self.limits) => {}
        }
    }
}

async fn answer(
    desk: &Desk,
    visitor: Visitor,
    course: &Course,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    course.enter(Stage::Answering);
    let (request, body) = request.into_parts();
    let answer = desk.answer(&request, !body.is_end_stream(), visitor).await;
    course.enter(Stage::Writing);
    Ok(answer)
}

/// Waits until a stage has lasted too long.
async fn overdue(mut progress: watch::Receiver<Progress>, limits: &Limits) {
    loop {
        let deadline = progress.borrow_and_update().deadline(limits);
        let mut changed = pin!(progress.changed());
        tokio::select! {
            biased;
            changed = &mut changed => if changed.is_err() {
                return;
            },
            () = sleep_until_some(deadline.map(Into::into)) => return,
        }
    }
}
