//! Which services were taken out or put back in from outside. That lasts while there is a service of that
//! name, over reloads and moves to another address, unless its file says something else by then.

use std::collections::BTreeMap;

use super::service::ServiceSettings;

#[derive(Debug, Default)]
pub(super) struct Drains {
    /// By what was said: a name, or one service's key.
    said: BTreeMap<String, bool>,
}

impl Drains {
    /// What was said last holds, whatever was said of its services by their keys.
    pub(super) fn say<'a>(
        &mut self,
        service: &str,
        drained: bool,
        keys: impl Iterator<Item = &'a str>,
    ) {
        for key in keys {
            self.said.remove(key);
        }
        self.said.insert(service.to_owned(), drained);
    }

    /// Whether this service is out.
    pub(super) fn holds<B>(&self, settings: &ServiceSettings<B>) -> bool {
        let said = self.said.get(&settings.announcement.key);
        let said = said.or_else(|| self.said.get(&settings.name));
        said.copied().unwrap_or(settings.drained)
    }

    /// The file says another thing of this service now than it did.
    pub(super) fn forget<B>(&mut self, settings: &ServiceSettings<B>) {
        self.said.remove(&settings.announcement.key);
        self.said.remove(&settings.name);
    }

    /// These are all services that there are.
    pub(super) fn keep_only<B>(&mut self, services: &[ServiceSettings<B>]) {
        self.said.retain(|said, _| {
            let is_it = |service: &ServiceSettings<B>| {
                service.name == *said || service.announcement.key == *said
            };
            services.iter().any(is_it)
        });
    }
}
