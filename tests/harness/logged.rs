//! The log as JSON, whose lines name their events: a message may be reworded, and no test breaks.

use serde_json::Value;

/// A line of it.
#[derive(Clone, Debug)]
pub struct Logged(Value);

impl Logged {
    /// The lines of a log but the last while that is being written, and what is no JSON.
    pub fn lines(log: &str) -> Vec<Self> {
        let parsed = log.lines().map(serde_json::from_str);
        parsed.filter_map(Result::ok).map(Self).collect()
    }

    /// The lines of a log that tell of this event.
    pub fn of(log: &str, event: &str) -> Vec<Self> {
        let mut lines = Self::lines(log);
        lines.retain(|line| line.event() == event);
        lines
    }

    /// The name of what happened.
    pub fn event(&self) -> &str {
        self.field("event")
    }

    /// A field's text, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A field's number, 0 where there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_default()
    }

    /// Whether the message or another field has this in it. Meant for what is no wording of ours:
    /// an address, a file's name, somebody else's error.
    pub fn tells(&self, detail: &str) -> bool {
        let fields = self.0.as_object().into_iter().flatten();
        let mut texts = fields.filter_map(|(_, value)| value.as_str());
        texts.any(|text| text.contains(detail))
    }
}
