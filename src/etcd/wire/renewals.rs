//! Many leases over one stream; `etcd_client` has a stream for each.

use std::pin::Pin;

use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{Errors, seconds_of};
use crate::etcd::api::{Renewals, Renewed};
use crate::etcd::error::EtcdError;
use crate::etcd::token::TokenChannel;
use crate::registration::LeaseId;

const METHOD: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// `LeaseKeepAliveRequest` of etcd's `rpc.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Asked {
    #[prost(int64, tag = "1")]
    lease: i64,
}

/// `LeaseKeepAliveResponse`, without its header.
#[derive(Clone, PartialEq, prost::Message)]
struct Answered {
    #[prost(int64, tag = "2")]
    lease: i64,
    #[prost(int64, tag = "3")]
    ttl: i64,
}

pub struct WireRenewals {
    requests: mpsc::UnboundedSender<Asked>,
    answers: Answers,
    errors: Errors,
}

type Opening = Pin<Box<dyn Future<Output = Result<Box<Streaming<Answered>>, Status>>>>;

/// Etcd opens its side with its first answer.
enum Answers {
    Opening(Opening),
    Open(Box<Streaming<Answered>>),
}

impl WireRenewals {
    pub(super) fn new(channel: TokenChannel, errors: Errors) -> Self {
        let (requests, mut asked) = mpsc::unbounded_channel();
        let requested = futures_util::stream::poll_fn(move |cx| asked.poll_recv(cx));
        Self {
            requests,
            answers: Answers::Opening(Box::pin(open(channel, Request::new(requested)))),
            errors,
        }
    }
}

async fn open<S>(
    channel: TokenChannel,
    mut request: Request<S>,
) -> Result<Box<Streaming<Answered>>, Status>
where
    S: futures_util::Stream<Item = Asked> + Send + 'static,
{
    let metadata = request.metadata_mut();
    metadata.insert("hasleader", MetadataValue::from_static("true"));
    let mut grpc = Grpc::new(channel);
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let method = PathAndQuery::from_static(METHOD);
    let codec = ProstCodec::<Asked, Answered>::default();
    let answers = grpc.streaming(request, method, codec).await?;
    Ok(Box::new(answers.into_inner()))
}

impl Renewals for WireRenewals {
    fn ask(&mut self, lease: LeaseId) {
        // A stream that has ended says so when it is read.
        let _sent = self.requests.send(Asked { lease });
    }

    async fn next(&mut self) -> Result<Renewed, EtcdError> {
        let of = |status: &Status| self.errors.of_status(status);
        if let Answers::Opening(opening) = &mut self.answers {
            let open = opening.as_mut().await;
            self.answers = Answers::Open(open.map_err(|status| of(&status))?);
        }
        let Answers::Open(answers) = &mut self.answers else {
            unreachable!("it was opened");
        };
        match answers.message().await {
            Ok(Some(Answered { lease, ttl })) => Ok(Renewed {
                lease,
                ttl: seconds_of(ttl),
            }),
            Ok(None) => Err(self.errors.broken("the stream of renewals was ended")),
            Err(status) => Err(of(&status)),
        }
    }
}
