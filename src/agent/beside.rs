//! What goes on beside an agent's loop about its settings.

use std::pin::Pin;

use super::service::ServiceSettings;
use crate::world::{Source, World};

/// Each is none where it does not go on.
pub(super) struct Beside<'a, W: World> {
    pub source: &'a W::Source,
    /// The services are being read anew.
    pub reading: Option<Reading<'a, W::Backend>>,
    /// The program that is installed looks whether it takes our settings.
    pub judging: Option<Judging<'a>>,
    /// The addresses of interfaces are looked at, until the services are others.
    pub looking: Option<Looking<'a, W::Backend>>,
}

type Reading<'a, B> = Pin<Box<dyn Future<Output = Result<Vec<ServiceSettings<B>>, String>> + 'a>>;
type Judging<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;
type Looking<'a, B> = Pin<Box<dyn Future<Output = Vec<ServiceSettings<B>>> + 'a>>;

impl<'a, W: World> Beside<'a, W> {
    pub(super) fn new(source: &'a W::Source) -> Self {
        Self {
            source,
            reading: None,
            judging: None,
            looking: Some(Box::pin(source.changed())),
        }
    }

    pub(super) fn read(&mut self) {
        self.reading = Some(Box::pin(self.source.read()));
    }

    /// `is_sound`: there are other services, and other interfaces to look at.
    pub(super) fn has_read(&mut self, is_sound: bool) {
        self.reading = None;
        if is_sound {
            self.look();
        }
    }

    pub(super) fn judge(&mut self) {
        self.judging = Some(Box::pin(self.source.suit_the_installed()));
    }

    pub(super) fn look(&mut self) {
        self.looking = Some(Box::pin(self.source.changed()));
    }

    pub(super) fn leave(&mut self) {
        self.reading = None;
        self.judging = None;
        self.looking = None;
    }
}
