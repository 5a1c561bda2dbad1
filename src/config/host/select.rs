//! SERVICE on a command line: which of a host's services are meant.

use crate::config::ServiceConfig;
use crate::config::faults::Faults;
use crate::fault::Fault;
use crate::wording::nearest;

const SERVICE: &str = "SERVICE";

/// Those that `words` mean, in their order in the files; all without words. A name means all of that
/// name, a key one.
///
/// # Errors
/// Each word that means none.
pub fn select(
    services: Vec<ServiceConfig>,
    words: &[String],
) -> Result<Vec<ServiceConfig>, Faults> {
    let mut faults = Faults::default();
    for word in words {
        if !services.iter().any(|service| is_meant(service, word)) {
            faults.add(unknown(&services, word));
        }
    }
    let is_selected = |service: &ServiceConfig| {
        let mut words = words.iter();
        words.len() == 0 || words.any(|word| is_meant(service, word))
    };
    faults.settle(Some(services.into_iter().filter(is_selected).collect()))
}

fn is_meant(service: &ServiceConfig, word: &str) -> bool {
    service.name == word || service.announcement.key == word
}

fn unknown(services: &[ServiceConfig], word: &str) -> Fault {
    let known = services.iter().map(|service| match word.starts_with('/') {
        true => service.announcement.key.as_str(),
        false => service.name.as_str(),
    });
    let what = match nearest(word, known) {
        Some(meant) => format!("there is no such service; did you mean {meant}?"),
        None => "there is no such service".to_owned(),
    };
    Fault::of_value(SERVICE, word, what)
}
