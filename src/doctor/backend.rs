//! Each service's check, once.

use super::finding::Finding;
use super::timing::timing;
use super::turn::each;
use crate::config::ServiceConfig;
use crate::probe::attempt::Attempt;
use crate::world::Backend;

pub(super) async fn examine(services: &[ServiceConfig]) -> Vec<Finding> {
    let name = |service: &&ServiceConfig| format!("service {}: check", service.announcement.key);
    each(services, name, async |service| {
        vec![judge(name(service), &service.checks.attempt().await)]
    })
    .await
}

fn judge(name: String, attempt: &Attempt) -> Finding {
    let told = format!("{} in {}", attempt.text(), timing(attempt.took));
    match &attempt.result {
        Ok(_) => Finding::ok(name, format!("healthy: {told}")),
        Err(failure) if failure.is_own_hosts() => Finding::fault(
            name,
            format!("this host cannot probe: {told}"),
            "see what this host lacks: descriptors, processes, memory",
        ),
        Err(_) => Finding::fault(
            name,
            format!("unhealthy: {told}"),
            "start the backend or correct its check; register check probes again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::FindingState;
    use super::*;
    use crate::probe::attempt::Failure;

    #[test]
    fn a_verdict_comes_with_its_timing() {
        let judged = |result| {
            let took = Duration::from_nanos(2_411_900);
            judge("service /a: check".to_owned(), &Attempt { result, took })
        };
        let up = judged(Ok("HTTP status 200".to_owned()));
        assert_eq!(up.message, "healthy: HTTP status 200 in 2ms 411us");
        let down = judged(Err(Failure::Status(500)));
        assert_eq!(down.state, FindingState::Fault);
        assert_eq!(down.message, "unhealthy: HTTP status 500 in 2ms 411us");
        let own = judged(Err(Failure::OwnHost("no descriptor".to_owned())));
        assert!(own.message.starts_with("this host cannot probe: "));
    }
}
