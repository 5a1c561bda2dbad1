//! The command that the proxy side runs.

use std::time::Duration;

use rustix::process::Signal;

use super::faults::Faults;
use crate::fault::Fault;
use crate::os::process::signal_named;
use crate::proxy::supervise::SuperviseConfig;

/// `command` may be empty: then there is none.
pub(super) fn check(
    command: Vec<String>,
    stop_signal: &str,
    reload_signal: &str,
    kill_timeout: Option<Duration>,
    faults: &mut Faults,
) -> Option<SuperviseConfig> {
    let stop_signal = faults.take(signal("--stop-signal", stop_signal));
    let reload_signal = match reload_signal {
        "none" => Some(None),
        name => faults.take(signal("--reload-signal", name)).map(Some),
    };
    if command.is_empty() {
        return None;
    }
    Some(SuperviseConfig {
        command,
        stop_signal: stop_signal?,
        reload_signal: reload_signal?,
        kill_timeout: kill_timeout?,
    })
}

fn signal(flag: &'static str, text: &str) -> Result<Signal, Fault> {
    signal_named(text).ok_or_else(|| {
        let what = "use HUP, INT, QUIT, KILL, USR1, USR2, TERM or WINCH";
        Fault::of_value(flag, text, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_by_name_or_number() {
        for text in ["HUP", "SIGHUP", "sighup", "1"] {
            assert_eq!(signal("--stop-signal", text), Ok(Signal::HUP));
        }
        assert_eq!(
            signal("--stop-signal", "HANGUP").map_err(|fault| fault.to_string()),
            Err(
                "--stop-signal \"HANGUP\": use HUP, INT, QUIT, KILL, USR1, USR2, TERM or WINCH"
                    .to_owned()
            )
        );
    }
}
