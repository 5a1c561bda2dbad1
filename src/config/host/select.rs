//! SERVICE on a command line: which of a host's services are meant.

use crate::config::faults::Faults;
use crate::config::{ServiceConfig, Unlocated};
use crate::fault::Fault;
use crate::wording::nearest;

const SERVICE: &str = "SERVICE";

/// A service, or the name of one whose address is not known, and why.
pub type LocatedService = Result<ServiceConfig, (String, Unlocated)>;

/// Those that `words` mean, in their order in the files; all without words. A name means all of that
/// name, a key one.
///
/// # Errors
/// Each word that means none.
pub fn select(
    services: Vec<LocatedService>,
    words: &[String],
) -> Result<Vec<LocatedService>, Faults> {
    let mut faults = Faults::default();
    for word in words {
        if !services.iter().any(|service| is_meant(service, word)) {
            faults.add(unknown(&services, word));
        }
    }
    let is_selected = |service: &LocatedService| {
        let mut words = words.iter();
        words.len() == 0 || words.any(|word| is_meant(service, word))
    };
    faults.settle(Some(services.into_iter().filter(is_selected).collect()))
}

fn is_meant(service: &LocatedService, word: &str) -> bool {
    name(service) == word || key(service) == Some(word)
}

fn name(service: &LocatedService) -> &str {
    match service {
        Ok(service) => &service.name,
        Err((name, _)) => name,
    }
}

fn key(service: &LocatedService) -> Option<&str> {
    let service = service.as_ref().ok()?;
    Some(&service.announcement.key)
}

fn unknown(services: &[LocatedService], word: &str) -> Fault {
    let known = services
        .iter()
        .filter_map(|service| match word.starts_with('/') {
            true => key(service),
            false => Some(name(service)),
        });
    let what = match nearest(word, known) {
        Some(meant) => format!("there is no such service; did you mean {meant}?"),
        None => "there is no such service".to_owned(),
    };
    Fault::of_value(SERVICE, word, what)
}
