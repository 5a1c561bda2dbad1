//! How many are in which state, the worst first.

use std::collections::BTreeMap;

use super::super::report::Side;
use super::markup::{Mark, Tone, grouped};
use super::{resources, services};

type Counts = BTreeMap<(Tone, &'static str), u64>;

fn of(side: &Side) -> Counts {
    let states: Vec<_> = match side {
        Side::Agent(agent) => {
            let all = agent.services.iter().map(|service| service.status);
            all.map(|status| (services::tone(status), status.name()))
                .collect()
        }
        Side::Proxy(proxy) => {
            let all = proxy.resources.iter().map(|resource| resource.state);
            all.map(|state| (resources::tone(state), resources::words(state)))
                .collect()
        }
    };
    let mut counts = Counts::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    counts
}

/// Of those that need somebody: `3 unhealthy`.
pub(super) fn worst(side: &Side) -> Option<String> {
    let counts = of(side);
    let ((tone, word), count) = counts.first_key_value()?;
    (*tone <= Tone::Doubtful).then(|| format!("{} {word}", grouped(*count)))
}

pub(super) fn list(side: &Side) -> String {
    let (total, one, many) = match side {
        Side::Agent(agent) => (agent.services.len(), "service", "services"),
        Side::Proxy(proxy) => (proxy.resources.len(), "resource", "resources"),
    };
    let what = if total == 1 { one } else { many };
    let mut html = format!("<ul class=\"counts\">\n{}", item(total as u64, what));
    for ((tone, word), count) in of(side) {
        html += &item(count, &Mark(tone, word).to_string());
    }
    html + "</ul>\n"
}

fn item(count: u64, what: &str) -> String {
    format!("<li><span>{}</span> {what}</li>\n", grouped(count))
}
