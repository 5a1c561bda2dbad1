//! The checks of one service, and how their results come to one.

use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::Probe;
use super::attempt::{Attempt, Failure};
use crate::world::Backend;

/// When several checks pass as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    /// When each of them does.
    #[default]
    All,
    /// When one of them does.
    Any,
}

/// One or more probes of a backend. Equal to what was made from the same settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    probes: Vec<Probe>,
    pass: Pass,
}

impl From<Probe> for Checks {
    fn from(probe: Probe) -> Self {
        Self::new(vec![probe], Pass::All)
    }
}

impl Checks {
    /// `probes` are not empty.
    #[must_use]
    pub fn new(probes: Vec<Probe>, pass: Pass) -> Self {
        Self { probes, pass }
    }

    async fn attempt_each(&self) -> Result<String, Failure> {
        let named = self.probes.iter().enumerate().map(async |(at, probe)| {
            let name = format!("check {} ({})", at + 1, probe.shown());
            (name, probe.attempt().await.result)
        });
        let results = named.collect();
        match self.pass {
            Pass::All => all(results).await,
            Pass::Any => any(results).await,
        }
    }
}

impl Backend for Checks {
    fn descriptors(&self) -> usize {
        self.probes.iter().map(Probe::descriptors).sum()
    }

    /// All at the same time; dropping the future ends them all.
    async fn attempt(&self) -> Attempt {
        if let [probe] = &self.probes[..] {
            return probe.attempt().await;
        }
        let start = Instant::now();
        let result = self.attempt_each().await;
        Attempt {
            result,
            took: start.elapsed(),
        }
    }
}

/// The first that fails decides; what our own host let down counts if none does.
async fn all<F>(mut results: FuturesUnordered<F>) -> Result<String, Failure>
where
    F: Future<Output = (String, Result<String, Failure>)>,
{
    let count = results.len();
    let mut own = None;
    while let Some((name, result)) = results.next().await {
        match result {
            Ok(_) => {}
            Err(failure) if failure.is_own_hosts() => own = Some((name, failure)),
            Err(failure) => return Err(Failure::OfChecks(vec![(name, failure)])),
        }
    }
    match own {
        Some(failure) => Err(Failure::OfChecks(vec![failure])),
        None => Ok(format!("{count} checks passed")),
    }
}

/// The first that passes decides. If none does, one that our own host let down might have.
async fn any<F>(mut results: FuturesUnordered<F>) -> Result<String, Failure>
where
    F: Future<Output = (String, Result<String, Failure>)>,
{
    let mut failures = Vec::new();
    while let Some((name, result)) = results.next().await {
        match result {
            Ok(answer) => return Ok(format!("{name}: {answer}")),
            Err(failure) => failures.push((name, failure)),
        }
    }
    Err(Failure::OfChecks(failures))
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::time::Duration;

    use super::*;
    use crate::probe::Spec;

    fn result(text: &str) -> (String, Result<String, Failure>) {
        let result = match text {
            "passes" => Ok("up".to_owned()),
            "own" => Err(Failure::OwnHost("no descriptor".to_owned())),
            other => Err(Failure::Connection(other.to_owned())),
        };
        (format!("[{text}]"), result)
    }

    fn joined(pass: Pass, results: &[&str]) -> (Option<bool>, String) {
        let results: FuturesUnordered<_> = results.iter().map(|text| ready(result(text))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let result = runtime.expect("a runtime").block_on(async {
            match pass {
                Pass::All => all(results).await,
                Pass::Any => any(results).await,
            }
        });
        match result {
            Ok(answer) => (Some(true), answer),
            Err(failure) if failure.is_own_hosts() => (None, failure.to_string()),
            Err(failure) => (Some(false), failure.to_string()),
        }
    }

    #[test]
    fn what_decides_is_told_and_an_own_fault_only_where_nothing_else_does() {
        let table = [
            (
                Pass::All,
                &["passes", "passes"][..],
                Some(true),
                "2 checks passed",
            ),
            (
                Pass::All,
                &["passes", "refused"],
                Some(false),
                "[refused]: refused",
            ),
            (
                Pass::All,
                &["own", "refused"],
                Some(false),
                "[refused]: refused",
            ),
            (Pass::All, &["own", "passes"], None, "[own]: no descriptor"),
            (
                Pass::Any,
                &["refused", "passes"],
                Some(true),
                "[passes]: up",
            ),
            (Pass::Any, &["own", "passes"], Some(true), "[passes]: up"),
            (
                Pass::Any,
                &["own", "refused"],
                None,
                "[own]: no descriptor; [refused]: refused",
            ),
            (
                Pass::Any,
                &["reset", "refused"],
                Some(false),
                "[refused]: refused; [reset]: reset",
            ),
        ];
        for (pass, results, healthy, text) in table {
            let (found, told) = joined(pass, results);
            assert_eq!(found, healthy, "{results:?}");
            let mut told: Vec<_> = told.split("; ").collect();
            told.sort_unstable();
            assert_eq!(told.join("; "), text, "{results:?}");
        }
    }

    #[test]
    fn checks_are_equal_if_their_settings_are() {
        let probe = |url: &str| {
            let spec = Spec {
                url: url.to_owned(),
                timeout: Duration::from_secs(1),
                ..Spec::default()
            };
            Probe::new(spec).expect("sound")
        };
        assert_eq!(
            Checks::from(probe("tcp://h:1")),
            Checks::from(probe("tcp://h:1"))
        );
        assert_ne!(
            Checks::from(probe("tcp://h:1")),
            Checks::from(probe("tcp://h:2"))
        );
    }
}
