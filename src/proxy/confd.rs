//! confd's command line: the same flags, file, log lines and exit codes, with etcd v3 behind it.

use tracing::info;

use crate::cli::go_flags::FlagError;
use crate::cli::{self, confd};
use crate::config::{ConfdConfig, ConfdSettings, Run, SrvLookup};
use crate::exit::{Exit, RunError};
use crate::log::confd::{ConfdLog, level};
use crate::os::output;
use crate::os::runtime::block_on;
use crate::os::signal::Caught;
use crate::proxy;

/// What confd's `-version` is asked for by scripts.
const VERSION: &str = concat!("confd 0.16.0 (register ", env!("CARGO_PKG_VERSION"), ")\n");

/// Whether a program called so is to be confd.
#[must_use]
pub fn is_name_of_confd(program: &str) -> bool {
    base(program) == "confd"
}

/// Runs `program` with `words` after its name.
#[must_use]
pub fn main(program: &str, words: &[String]) -> Exit {
    let args = match confd::parse(words) {
        Ok(args) => args,
        Err(FlagError::Help) => {
            output::complain(&confd::usage());
            return Exit::Done;
        }
        Err(error) => {
            output::complain(&format!("{error}\n{}", confd::usage()));
            return Exit::Usage;
        }
    };
    let log = ConfdLog::start(base(program).to_owned());
    let ended = if args.version {
        output::print(VERSION).map_err(RunError::from)
    } else {
        run(ConfdSettings::gather(args), &log)
    };
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            log.fatal(&error.to_string());
            // confd has no other.
            Exit::Failed
        }
    }
}

fn run(mut settings: ConfdSettings, log: &ConfdLog) -> Result<(), RunError> {
    let level = level(settings.log_level().as_deref().unwrap_or("info"));
    log.install(level.map_err(|error| RunError::new(Exit::Usage, error))?);
    let backend = settings.backend();
    info!("Backend set to {backend}");
    if !matches!(backend.as_str(), "etcd" | "etcdv3") {
        let reason = format!("Invalid backend {backend:?}: only etcd and etcdv3 are supported");
        return Err(RunError::new(Exit::Usage, reason));
    }
    let found = match settings.srv(&backend) {
        Some(lookup) => nodes_of(&lookup, &backend)?,
        None => Vec::new(),
    };
    let env = cli::variable;
    let ConfdConfig {
        backend: _,
        nodes,
        render,
    } = settings.settle(backend, found, env)?;
    info!("Starting confd");
    info!("Backend source(s) set to {}", nodes.join(", "));
    match render.run {
        Run::Once => {
            let pass = block_on(proxy::once::once(render))?;
            match pass.failure {
                Some(failure) => Err(RunError::new(Exit::Failed, failure)),
                None => Ok(()),
            }
        }
        Run::UntilStopped => {
            block_on(async { proxy::run(render, Caught::of_the_proxy_side(false)?).await })?;
            info!("Captured terminated. Exiting...");
            Ok(())
        }
    }
}

fn nodes_of(lookup: &SrvLookup, backend: &str) -> Result<Vec<String>, RunError> {
    let SrvLookup { record, scheme } = lookup;
    info!("SRV record set to {record}");
    let found = renderer::functions::srv_records(record);
    if found.is_empty() {
        let reason = format!("Cannot get nodes from SRV records: no record {record}");
        return Err(RunError::new(Exit::Store, reason));
    }
    let nodes = found.iter().map(|srv| {
        let target = String::from_utf8_lossy(&srv.target);
        let target = target.trim_end_matches('.');
        match backend {
            "etcd" => format!("{scheme}://{target}:{}", srv.port),
            _ => format!("{target}:{}", srv.port),
        }
    });
    Ok(nodes.collect())
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
