//! `register`: parse → configure → log → run → exit code.

use std::process::ExitCode;

use register::cli::{self, Cli, Command, RenderArgs, RenderCommand};
use register::config::{self, Run};
use register::exit::{Exit, RunError};
use register::log::Log;
use register::os::runtime::block_on;
use register::os::signal::Caught;
use register::os::{init, output};
use register::proxy::{self, confd};
use register::{agent, list};

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
        None if args.agent.once == Some(true) => {
            let config = config::agent(args.agent, etcd, variables, env)?;
            block_on(agent::once::unless_stopped(agent::once::once(
                config, quiet,
            )))
        }
        None => {
            let config = config::agent(args.agent, etcd, variables, env)?;
            block_on(async { agent::run(config, Caught::to_stop()?).await })
        }
        Some(Command::Deregister(args)) => {
            let config = config::deregister(args, etcd, variables, env)?;
            block_on(agent::once::deregister(config, quiet))
        }
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
