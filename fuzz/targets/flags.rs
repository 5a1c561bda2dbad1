//! Any words as the agent's command line, and what they say.
#![no_main]

use clap::Parser;
use libfuzzer_sys::fuzz_target;
use register::cli::Cli;
use register::config;

fuzz_target!(|text: &str| {
    // These read files, `https://` the system's certificates each time.
    if ["https", "cacert", "cert", "file"]
        .iter()
        .any(|name| text.contains(name))
    {
        return;
    }
    let words = ["register"].into_iter().chain(text.lines());
    let Ok(cli) = Cli::try_parse_from(words) else {
        return;
    };
    if cli.command.is_none() {
        let _result = config::agent(cli.agent, cli.etcd, cli.variables, |_: &str| None);
    }
});
