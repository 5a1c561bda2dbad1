//! What a member says of itself.

use etcd_client::{ResponseHeader, StatusResponse};

use super::WireLink;
use crate::etcd::error::EtcdError;

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberStatus {
    pub version: String,
    pub cluster: u64,
    pub id: u64,
    /// The id of the member that leads; 0 if none does.
    pub leader: u64,
    pub is_learner: bool,
    /// Of the cluster, and whatever else is wrong, in etcd's words.
    pub complaints: Vec<String>,
}

impl From<&StatusResponse> for MemberStatus {
    fn from(answer: &StatusResponse) -> Self {
        let header = answer.header();
        Self {
            version: answer.version().to_owned(),
            cluster: header.map_or(0, ResponseHeader::cluster_id),
            id: header.map_or(0, ResponseHeader::member_id),
            leader: answer.leader(),
            is_learner: answer.is_learner(),
            complaints: answer.errors().to_vec(),
        }
    }
}

impl WireLink {
    /// Without a deadline.
    ///
    /// # Errors
    /// [`EtcdError`]
    pub async fn member(&self) -> Result<MemberStatus, EtcdError> {
        let mut client = self.client.maintenance_client();
        let answer = client.status().await;
        let answer = answer.map_err(|error| self.errors.of(&error))?;
        Ok(MemberStatus::from(&answer))
    }
}
