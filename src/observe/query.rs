//! What is asked for when services are to be taken out or back in.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::wording::printable;

/// How long who asks waits for an answer, unless he says so.
const USUAL_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct DrainQuery {
    /// A name or a key.
    pub(super) service: String,
    pub(super) wait: Duration,
}

impl DrainQuery {
    /// `service=NAME&timeout=30s`
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let (mut service, mut wait) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| format!("{}: is no text", shown(name)))?;
            let again = match name {
                "service" => service.replace(value.into_owned()).is_some(),
                "timeout" => wait.replace(parse_wait(&value)?).is_some(),
                _ => return Err(format!("unknown parameter {}", shown(name))),
            };
            if again {
                return Err(format!("{name} is given twice"));
            }
        }
        let service = service.filter(|service| !service.is_empty());
        Ok(Self {
            service: service.ok_or("service is missing: give a service's name or key")?,
            wait: wait.unwrap_or(USUAL_WAIT),
        })
    }
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(wait) if wait <= LONGEST_WAIT => Ok(wait),
        Ok(_) => Err("timeout: must be at most 10m".to_owned()),
        Err(error) => Err(format!("timeout: {error}; write 250ms, 30s or 1m")),
    }
}

fn shown(name: &str) -> String {
    printable(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_it_is_and_waited_for_so_long() {
        let table = [
            ("service=web", "web", USUAL_WAIT),
            (
                "service=%2Fservices%2Fweb%2F10.0.0.5&timeout=2s",
                "/services/web/10.0.0.5",
                Duration::from_secs(2),
            ),
            ("&timeout=1m%2030s&service=a+b", "a+b", 3 * USUAL_WAIT),
        ];
        for (query, service, wait) in table {
            let service = service.to_owned();
            assert_eq!(
                DrainQuery::parse(query),
                Ok(DrainQuery { service, wait }),
                "{query}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_query_is_told() {
        let table = [
            ("", "service is missing: give a service's name or key"),
            (
                "service=",
                "service is missing: give a service's name or key",
            ),
            ("service=a&service=b", "service is given twice"),
            ("service=a&tiemout=1s", "unknown parameter tiemout"),
            ("service=a&timeout=11m", "timeout: must be at most 10m"),
            ("service=%ff", "service: is no text"),
        ];
        for (query, fault) in table {
            assert_eq!(DrainQuery::parse(query), Err(fault.to_owned()), "{query}");
        }
        let fault = DrainQuery::parse("service=a&timeout=soon").expect_err("no duration");
        assert!(fault.starts_with("timeout: expected number"), "{fault}");
    }
}
