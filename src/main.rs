//! `register`: parse → configure → log → run → exit code.

use std::process::ExitCode;

use clap::Parser;
use register::cli::{self, Cli, Command};
use register::config::{self, Faults};
use register::exit::Exit;
use register::output::{self, OutputError};
use register::signal::StopSignals;
use register::{agent, list, log, oneshot};

fn main() -> ExitCode {
    let args = Cli::parse();
    if let Err(fault) = log::install(&args.log) {
        eprintln!("register: {fault}");
        return Exit::Usage.into();
    }
    match run(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            for line in format!("{error:#}").lines() {
                eprintln!("register: {line}");
            }
            exit_code_of(&error).into()
        }
    }
}

fn run(args: Cli) -> anyhow::Result<Exit> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let etcd = args.etcd;
    match args.command {
        None if args.agent.once => {
            let config = config::agent(args.agent, etcd, env)?;
            block_on(oneshot::once(config))
        }
        None => {
            let config = config::agent(args.agent, etcd, env)?;
            block_on(async { agent::run(config, StopSignals::catch()?).await })
        }
        Some(Command::Deregister(args)) => {
            let config = config::deregister(args, etcd, env)?;
            block_on(oneshot::deregister(config))
        }
        Some(Command::List(args)) => {
            let config = config::list(args, etcd, env)?;
            block_on(list::run(config))
        }
        Some(Command::Check(args)) => {
            let config = config::check(args)?;
            block_on(oneshot::check(config))
        }
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

fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    // A name look-up may still hang in its thread; the process does not wait for it.
    runtime.shutdown_background();
    result
}

fn exit_code_of(error: &anyhow::Error) -> Exit {
    if error.is::<Faults>() {
        Exit::Usage
    } else if error.is::<OutputError>() {
        Exit::Unhealthy
    } else {
        Exit::Store
    }
}
