//! `register`: parse → configure → log → run → exit code.

use std::process::ExitCode;

use register::agent::located::located_services;
use register::agent::source::HostSettings;
use register::cli::{
    self, AgentArgs, Cli, Command, ConfigArgs, DeregisterArgs, DoctorArgs, DrainArgs, EtcdArgs,
    ObserveArgs, RenderArgs, RenderCommand, ServicesArgs, Variables,
};
use register::config::{self, AgentConfig, EtcdConfig, HostConfig, LocatedService, Run};
use register::exit::{Exit, RunError};
use register::log::Log;
use register::os::runtime::block_on;
use register::os::signal::Caught;
use register::os::{init, output};
use register::proxy::{self, confd};
use register::{agent, control, doctor as examination, list};
use tracing::warn;

fn main() -> ExitCode {
    if init::is_needed() {
        return init::main().into();
    }
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let [program, words @ ..] = words.as_slice()
        && confd::is_name_of_confd(program)
    {
        return confd::main(program, words).into();
    }
    let args = Cli::of_process();
    let mut log = Log::new(args.log.log_format);
    // confd has log lines of its own.
    if !matches!(args.command, Some(Command::Confd { .. }))
        && let Err(fault) = log.install(&args.log, &args.variables)
    {
        log.fatal(&fault.to_string());
        return Exit::Usage.into();
    }
    match run(args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            log.fatal(&failure.to_string());
            failure.exit().into()
        }
    }
}

fn run(args: Cli) -> Result<Exit, RunError> {
    let env = cli::variable;
    let (etcd, variables) = (args.etcd, args.variables);
    let quiet = args.log.is_quiet();
    match args.command {
        None if args.agent.once == Some(true) => once(args.agent, etcd, variables, quiet),
        None => serve(args.agent, etcd, variables),
        Some(Command::Deregister(args)) => deregister(args, etcd, variables, quiet),
        Some(Command::Lint(args)) => lint(*args, etcd, variables, quiet),
        Some(Command::Status(args)) => block_on(control::status::run(config::status(args))),
        Some(Command::Drain(args)) => drain(args, true, variables, quiet),
        Some(Command::Resume(args)) => drain(args, false, variables, quiet),
        Some(Command::Doctor(args)) => doctor(*args, etcd, variables, quiet),
        Some(Command::List(args)) => {
            let config = config::list(args, etcd, variables, env)?;
            block_on(list::run(config))
        }
        Some(Command::Check(args)) => {
            let config = config::check(args, variables)?;
            block_on(agent::once::unless_stopped(agent::once::check(
                config, quiet,
            )))
        }
        Some(Command::Render(RenderArgs {
            command: Some(RenderCommand::Lint(args)),
            ..
        })) => proxy::once::lint(&config::lint(args, variables)?),
        Some(Command::Render(args)) => {
            let config = config::render(args, etcd, variables, env)?;
            match config.run {
                Run::Once => block_on(proxy::once::command(config)),
                Run::UntilStopped => block_on(async {
                    let signals = Caught::of_the_proxy_side(config.child.is_some())?;
                    proxy::run(config, signals).await
                }),
            }
        }
        Some(Command::Confd { words }) => Ok(confd::main("confd", &words)),
        Some(Command::Completions { shell }) => {
            output::print(&cli::completions(shell))?;
            Ok(Exit::Done)
        }
        Some(Command::Man) => {
            output::print(&cli::man_page()?)?;
            Ok(Exit::Done)
        }
    }
}

fn serve(args: AgentArgs, etcd: EtcdArgs, variables: Variables) -> Result<Exit, RunError> {
    if args.services.config.config.is_some() {
        let (config, observe) = (args.services.config, args.observe);
        let HostConfig { config, source, .. } = host(config, observe, etcd, variables)?;
        let source = HostSettings::of_files(source, &config);
        return block_on(async { agent::run(config, source, Caught::of_an_agent(true)?).await });
    }
    let config = config::agent(args, etcd, variables, cli::variable)?;
    let source = HostSettings::of_flags();
    block_on(async { agent::run(config.into(), source, Caught::of_an_agent(false)?).await })
}

fn once(
    args: AgentArgs,
    etcd: EtcdArgs,
    variables: Variables,
    quiet: bool,
) -> Result<Exit, RunError> {
    if args.services.config.config.is_some() {
        let (config, names) = of_files(args.services, etcd, variables)?;
        return block_on(agent::once::unless_stopped(async {
            let (etcd, services) = selected(config, &names).await?;
            agent::several::once(etcd, services, quiet).await
        }));
    }
    let config = config::agent(args, etcd, variables, cli::variable)?;
    block_on(agent::once::unless_stopped(agent::once::once(
        config, quiet,
    )))
}

fn deregister(
    args: DeregisterArgs,
    etcd: EtcdArgs,
    variables: Variables,
    quiet: bool,
) -> Result<Exit, RunError> {
    if args.services.config.config.is_some() {
        let sockets = config::sockets(args.sockets);
        let (config, names) = of_files(args.services, etcd, variables)?;
        return block_on(async {
            let (etcd, services) = selected(config, &names).await?;
            agent::several::deregister(etcd, services, &sockets, quiet).await
        });
    }
    let config = config::deregister(args, etcd, variables, cli::variable)?;
    block_on(agent::once::deregister(config, quiet))
}

fn drain(
    args: DrainArgs,
    drained: bool,
    variables: Variables,
    quiet: bool,
) -> Result<Exit, RunError> {
    let config = config::drain(args, drained, variables)?;
    block_on(control::drain::run(config, quiet))
}

/// Of what an agent would make of the same words; without any, of what is in `/etc/register`.
fn lint(
    args: AgentArgs,
    etcd: EtcdArgs,
    variables: Variables,
    quiet: bool,
) -> Result<Exit, RunError> {
    config::of_all(&args.services)?;
    let count = if args.services.config.config.is_none() && args.names_a_service() {
        let _sound = config::agent(args, etcd, variables, cli::variable)?;
        1
    } else {
        let host = host(args.services.config, args.observe, etcd, variables)?;
        host.config.services.len() + host.config.on_interfaces.len()
    };
    if !quiet {
        output::print(&match count {
            1 => "1 service is sound\n".to_owned(),
            count => format!("{count} services are sound\n"),
        })?;
    }
    Ok(Exit::Done)
}

fn doctor(
    args: DoctorArgs,
    etcd: EtcdArgs,
    variables: Variables,
    quiet: bool,
) -> Result<Exit, RunError> {
    let config = config::doctor(args, etcd, variables, cli::variable)?;
    tell_ignored(&config.ignored);
    block_on(agent::once::unless_stopped(examination::run(config, quiet)))
}

/// What is in the files, and which of it SERVICE names.
fn of_files(
    args: ServicesArgs,
    etcd: EtcdArgs,
    variables: Variables,
) -> Result<(AgentConfig, Vec<String>), RunError> {
    // Nothing listens for so short a time.
    let observe = ObserveArgs::default();
    let config = host(args.config, observe, etcd, variables)?.config;
    Ok((config, args.names))
}

/// The services of these names, or all.
async fn selected(
    config: AgentConfig,
    names: &[String],
) -> Result<(EtcdConfig, Vec<LocatedService>), RunError> {
    let services = located_services(config.services, &config.on_interfaces).await;
    Ok((config.etcd, config::select(services, names)?))
}

fn host(
    args: ConfigArgs,
    observe: ObserveArgs,
    etcd: EtcdArgs,
    variables: Variables,
) -> Result<HostConfig, RunError> {
    let host = config::host(args, observe, etcd, variables, cli::variable)?;
    tell_ignored(&host.ignored);
    Ok(host)
}

fn tell_ignored(variables: &[String]) {
    for ignored in variables {
        warn!(event = "variable_ignored", "{ignored}");
    }
}
