//! The token of our user, which goes with every call over a connection.

use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::transport::{Channel, Error};
use tower::Service;

/// A channel whose calls carry a token, once there is one.
#[derive(Clone)]
pub(super) struct TokenChannel {
    channel: Channel,
    token: Arc<RwLock<Option<HeaderValue>>>,
}

impl TokenChannel {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            token: Arc::default(),
        }
    }

    /// From now on this one; none: without.
    pub(super) fn carry(&self, token: Option<HeaderValue>) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn token(&self) -> Option<HeaderValue> {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        token.clone()
    }
}

impl Service<Request<Body>> for TokenChannel {
    type Response = Response<Body>;
    type Error = Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(token) = self.token() {
            request.headers_mut().insert("token", token);
        }
        self.channel.call(request)
    }
}
