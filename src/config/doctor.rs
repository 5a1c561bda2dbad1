//! What `doctor` is to examine.

use std::fs;
use std::path::{Path, PathBuf};

use super::etcd::{self, Env};
use super::faults::Faults;
use super::host::{self, DEFAULT_CONFIG};
use super::render::{self, DEFAULT_CONFDIR, RenderConfig, Source};
use super::{AgentConfig, EtcdConfig, agent};
use crate::cli::{
    AgentArgs, ConfdirArgs, DoctorArgs, EtcdArgs, OutputFormat, ProxyArgs, RenderArgs, Variables,
};

#[derive(Debug)]
pub struct DoctorConfig {
    /// The agent's; without an agent the proxy side's.
    pub etcd: EtcdConfig,
    pub agent: Option<AgentConfig>,
    /// Which of its services, by name or key; all, if there are none.
    pub names: Vec<String>,
    pub proxy: Option<ProxySide>,
    pub output: OutputFormat,
    /// Variables that say nothing to the services of files: a line for each.
    pub ignored: Vec<String>,
}

#[derive(Debug)]
pub struct ProxySide {
    pub etcd: EtcdConfig,
    pub confdir: PathBuf,
    /// In place of each resource's own.
    pub prefix: Option<String>,
}

impl From<RenderConfig> for Option<ProxySide> {
    fn from(config: RenderConfig) -> Self {
        let Source::Etcd(etcd) = config.source else {
            return None;
        };
        Some(ProxySide {
            etcd,
            confdir: config.files.confdir,
            prefix: config.files.options.prefix,
        })
    }
}

/// # Errors
/// All that is wrong.
pub fn doctor(
    args: DoctorArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env + Copy + Send + Sync + 'static,
) -> Result<DoctorConfig, Faults> {
    let DoctorArgs {
        agent,
        proxy,
        output,
    } = with_usual_places(args);
    let names = match agent.services.config.config {
        Some(_) => agent.services.names.clone(),
        None => Vec::new(),
    };
    let agent = agent_side(agent, etcd.clone(), variables.clone(), env);
    let proxy = proxy_side(proxy, etcd.clone(), variables.clone(), env);
    let (agent, proxy) = both(agent, proxy)?;
    let (agent, ignored) = agent.map_or((None, Vec::new()), |(agent, ignored)| {
        (Some(agent), ignored)
    });
    let etcd = match (&agent, &proxy) {
        (Some(agent), _) => agent.etcd.clone(),
        (None, Some(proxy)) => proxy.etcd.clone(),
        (None, None) => etcd_alone(etcd, variables, env)?,
    };
    Ok(DoctorConfig {
        etcd,
        agent,
        names,
        proxy,
        output: output.output,
        ignored,
    })
}

/// Where nothing is named, what this host has.
fn with_usual_places(mut args: DoctorArgs) -> DoctorArgs {
    let config = &mut args.agent.services.config.config;
    let confdir = &mut args.proxy.confdir.confdir;
    if config.is_none() && confdir.is_none() && !names_a_service(&args.agent) {
        let config = &mut args.agent.services.config.config;
        *config = holds_services(Path::new(DEFAULT_CONFIG)).then(|| DEFAULT_CONFIG.to_owned());
        let has_resources = Path::new(DEFAULT_CONFDIR).join("conf.d").is_dir();
        *confdir = has_resources.then(|| DEFAULT_CONFDIR.to_owned());
    }
    args
}

fn names_a_service(args: &AgentArgs) -> bool {
    args.names_a_service() || args.probe.check.is_some() || !args.services.names.is_empty()
}

/// Such a directory may hold nothing but environment files of units.
fn holds_services(directory: &Path) -> bool {
    let is_toml =
        |entry: fs::DirEntry| Path::new(&entry.file_name()).extension() == Some("toml".as_ref());
    let holds = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten();
        entries.flatten().any(is_toml)
    };
    holds(directory) || holds(&directory.join("services.d"))
}

type Agent = (AgentConfig, Vec<String>);

/// None if there is none.
fn agent_side(
    args: AgentArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env + Send + Sync + 'static,
) -> Result<Option<Agent>, Faults> {
    if args.services.config.config.is_some() {
        let host = host::host(args.services.config, args.observe, etcd, variables, env)?;
        return Ok(Some((host.config, host.ignored)));
    }
    if names_a_service(&args) {
        let config = agent(args, etcd, variables, env)?;
        return Ok(Some((config.into(), Vec::new())));
    }
    Ok(None)
}

/// None if there is none.
fn proxy_side(
    args: ProxyArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env,
) -> Result<Option<ProxySide>, Faults> {
    if args.confdir.confdir.is_none() && args.config_file.is_none() {
        return Ok(None);
    }
    let ProxyArgs {
        confdir: ConfdirArgs { confdir },
        config_file,
        render_prefix: prefix,
    } = args;
    let args = RenderArgs {
        confdir: ConfdirArgs { confdir },
        config_file,
        prefix,
        ..RenderArgs::default()
    };
    Ok(render::render(args, etcd, variables, env)?.into())
}

/// What is wrong with either is told together.
fn both<A, B>(one: Result<A, Faults>, other: Result<B, Faults>) -> Result<(A, B), Faults> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(one.and(other)),
        (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
    }
}

fn etcd_alone(args: EtcdArgs, variables: Variables, env: impl Env) -> Result<EtcdConfig, Faults> {
    let mut faults = Faults::new(variables);
    let etcd = etcd::check(args, env, &mut faults);
    faults.settle(etcd)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn configured(flags: &str) -> Result<DoctorConfig, String> {
        let words = ["register", "doctor"]
            .into_iter()
            .chain(flags.split_whitespace());
        let cli = Cli::try_parse_from(words).expect("flags that clap takes");
        match cli.command {
            Some(Command::Doctor(args)) => doctor(*args, cli.etcd, cli.variables, |_| None)
                .map_err(|faults| faults.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_named_is_examined_and_nothing_else() {
        let service = configured("--service web --address 10.0.0.5:1").expect("sound");
        assert_eq!(service.agent.map(|agent| agent.services.len()), Some(1));
        assert!(service.proxy.is_none());
        let proxy = configured("--confdir / --endpoints h:1 --render-prefix /p").expect("sound");
        assert!(proxy.agent.is_none());
        assert_eq!(proxy.etcd.endpoints, ["http://h:1"]);
        assert_eq!(
            proxy.proxy.and_then(|proxy| proxy.prefix).as_deref(),
            Some("/p")
        );
    }

    #[test]
    fn faults_of_both_sides_are_told_together_and_each_once() {
        let faults = configured("--service web --confdir /nonexistent --endpoints ftp://x:1");
        assert_eq!(
            faults.expect_err("three faults"),
            "--address is missing: give HOST:PORT, as in --address 10.0.0.5:80\n\
             --endpoints \"ftp://x:1\": unknown scheme; use http:// or https://\n\
             --confdir \"/nonexistent\": there is no such directory; it holds conf.d and templates"
        );
    }

    #[test]
    fn a_directory_of_environment_files_holds_no_services() {
        let directory = tempfile::tempdir().expect("directory");
        let write = |name: &str| fs::write(directory.path().join(name), "").expect("written");
        write("postgres.env");
        assert!(!holds_services(directory.path()));
        fs::create_dir(directory.path().join("services.d")).expect("created");
        write("services.d/web.toml");
        assert!(holds_services(directory.path()));
    }
}
