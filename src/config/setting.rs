//! A setting with the place where it was given.

use crate::fault::{Fault, Place};

#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub place: Place,
    pub value: String,
}

impl Setting {
    pub(super) fn given(place: impl Into<Place>, value: Option<String>) -> Option<Self> {
        let place = place.into();
        value.map(|value| Self { place, value })
    }

    /// The value is no secret.
    pub(super) fn fault(&self, what: impl std::fmt::Display) -> Fault {
        Fault::of_value(self.place.clone(), &self.value, what)
    }
}
