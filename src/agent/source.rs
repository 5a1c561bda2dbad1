//! Where an agent of this host reads its services.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use renderer::descriptors::under_former_limit;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use super::placed::Placed;
use super::service::ServiceSettings;
use crate::config::{AgentConfig, EtcdConfig, HostSource, OnInterface, ServiceConfig};
use crate::deadline::sleep_until_some;
use crate::observe::ObserveConfig;
use crate::probe::checks::Checks;
use crate::world::Source;

/// How long the installed program may look at our settings.
const LINT_TIMEOUT: Duration = Duration::from_secs(10);

/// What follows the path of a program whose file was replaced.
const REPLACED: &str = " (deleted)";

pub struct HostSettings {
    /// None: flags and variables, once.
    files: Option<Files>,
    placed: RefCell<Placed>,
}

struct Files {
    source: Arc<HostSource>,
    /// As it was read at the start, and is in use.
    etcd: EtcdConfig,
    observe: ObserveConfig,
}

impl HostSettings {
    #[must_use]
    pub fn of_flags() -> Self {
        Self {
            files: None,
            placed: RefCell::default(),
        }
    }

    #[must_use]
    pub fn of_files(source: HostSource, config: &AgentConfig) -> Self {
        let files = Files {
            source: Arc::new(source),
            etcd: config.etcd.clone(),
            observe: config.observe.clone(),
        };
        Self {
            files: Some(files),
            ..Self::of_flags()
        }
    }

    /// These are the services from now on: those that there are, as interfaces have addresses.
    pub(super) async fn place(
        &self,
        services: Vec<ServiceConfig>,
        on_interfaces: Vec<OnInterface<ServiceConfig>>,
    ) -> Vec<ServiceSettings<Checks>> {
        let before = self.placed.borrow().clone();
        let (placed, services) = before.replaced(services, on_interfaces).await;
        self.placed.replace(placed);
        services.into_iter().map(Into::into).collect()
    }
}

impl Source<Checks> for HostSettings {
    fn is_lasting(&self) -> bool {
        self.files.is_some()
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
        let Some(Files {
            source,
            etcd,
            observe,
        }) = &self.files
        else {
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
        if config.observe.differs_from(observe) {
            warn!(
                event = "restart_needed",
                "listen, listen_host or control has changed; it takes effect after a restart"
            );
        }
        Ok(self.place(config.services, config.on_interfaces).await)
    }

    async fn changed(&self) -> Vec<ServiceSettings<Checks>> {
        loop {
            let due_at = self.placed.borrow().addresses.due_at();
            sleep_until_some(due_at).await;
            let before = self.placed.borrow().clone();
            let (placed, services) = before.look().await;
            self.placed.replace(placed);
            if let Some(services) = services {
                return services.into_iter().map(Into::into).collect();
            }
        }
    }

    fn without_address(&self) -> usize {
        self.placed.borrow().without_address
    }

    /// Asks it, as `register lint` with the words that we were started with.
    async fn suit_the_installed(&self) -> Result<(), String> {
        let program = installed().map_err(|error| error.to_string())?;
        let mut lint = Command::new(&program);
        lint.arg("lint")
            .args(std::env::args_os().skip(1))
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let program = program.display();
        let child = under_former_limit(|| lint.spawn());
        let child = child.map_err(|error| format!("{program}: {error}"))?;
        match timeout(LINT_TIMEOUT, child.wait_with_output()).await {
            Ok(Ok(done)) if done.status.success() => Ok(()),
            Ok(Ok(done)) => {
                let said = String::from_utf8_lossy(&done.stderr);
                Err(format!("{said}{program} lint: {}", done.status))
            }
            Ok(Err(error)) => Err(format!("{program}: {error}")),
            Err(_) => Err(format!("{program} lint has not ended within 10s")),
        }
    }
}

/// What is at the path from which this program was started, by now.
fn installed() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.to_str();
    let without = text.and_then(|text| text.strip_suffix(REPLACED));
    Ok(without.map_or(path.clone(), PathBuf::from))
}
