//! One line of the report.

use std::fmt::Display;

use crate::wording::printable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FindingState {
    Ok,
    /// Works, but somebody should look at it.
    Warning,
    /// Does not work.
    Fault,
    /// Not looked at.
    Skipped,
}

impl FindingState {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) name: String,
    pub(super) state: FindingState,
    pub(super) message: String,
    /// What to do about it.
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: impl Display, message: impl Display) -> Self {
        Self::new(FindingState::Ok, &name, &message, None)
    }

    pub(super) fn warning(name: impl Display, message: impl Display, advice: impl Display) -> Self {
        Self::new(FindingState::Warning, &name, &message, Some(&advice))
    }

    pub(super) fn fault(name: impl Display, message: impl Display, advice: impl Display) -> Self {
        Self::new(FindingState::Fault, &name, &message, Some(&advice))
    }

    pub(super) fn skipped(name: impl Display, why: impl Display) -> Self {
        let message = format!("not looked at: {why}");
        Self::new(FindingState::Skipped, &name, &message, None)
    }

    /// Others' words are among ours.
    fn new(
        state: FindingState,
        name: &dyn Display,
        message: &dyn Display,
        advice: Option<&dyn Display>,
    ) -> Self {
        let shown = |text: &dyn Display| printable(text.to_string().as_bytes());
        Self {
            name: shown(name),
            state,
            message: shown(message),
            advice: advice.map(shown),
        }
    }
}
