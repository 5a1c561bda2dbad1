//! Where an agent of this host reads its services.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::warn;

use super::service::ServiceSettings;
use crate::config::{AgentConfig, EtcdConfig, HostSource};
use crate::probe::checks::Checks;
use crate::world::Source;

pub enum HostSettings {
    /// Flags and variables: once.
    Flags,
    Files {
        source: Arc<HostSource>,
        /// As it was read at the start, and is in use.
        etcd: EtcdConfig,
    },
}

impl HostSettings {
    #[must_use]
    pub fn of_files(source: HostSource, config: &AgentConfig) -> Self {
        Self::Files {
            source: Arc::new(source),
            etcd: config.etcd.clone(),
        }
    }
}

impl Source<Checks> for HostSettings {
    fn is_lasting(&self) -> bool {
        matches!(self, Self::Files { .. })
    }

    /// In a thread for work that blocks: files may be on a disk that hangs.
    #[cfg_attr(
        not(test),
        expect(
            clippy::disallowed_methods,
            reason = "no simulation reads this host's files"
        )
    )]
    async fn read(&self) -> Result<Vec<ServiceSettings<Checks>>, String> {
        let Self::Files { source, etcd } = self else {
            return Ok(Vec::new());
        };
        let source = Arc::clone(source);
        let read = spawn_blocking(move || source.read()).await;
        let config = read
            .map_err(|error| error.to_string())?
            .map_err(|faults| faults.to_string())?;
        if config.etcd != *etcd {
            warn!(
                event = "restart_needed",
                "the settings of etcd have changed; they take effect after a restart"
            );
        }
        Ok(config.services.into_iter().map(Into::into).collect())
    }
}
