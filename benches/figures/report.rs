//! One table of figures, as Markdown and as JSON.

use std::fmt::Write;

use serde_json::json;

pub const REGISTER: &str = "register";

#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    /// Whose figure it is.
    who: String,
    unit: &'static str,
    samples: Vec<f64>,
    budget: Option<Budget>,
}

#[derive(Clone, Copy)]
pub enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

impl Budget {
    fn is_met(self, median: f64) -> bool {
        match self {
            Self::AtMost(limit) => median <= limit,
            Self::AtLeast(limit) => median >= limit,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit} {unit}"),
            Self::AtLeast(limit) => format!("≥ {limit} {unit}"),
        }
    }
}

impl Report {
    pub fn add(&mut self, what: &str, unit: &'static str, samples: Vec<f64>, budget: Budget) {
        self.put(what, REGISTER, unit, samples, Some(budget));
    }

    /// One without a budget: a peer's for the same work, or what peers are held against.
    pub fn beside(&mut self, what: &str, who: &str, unit: &'static str, samples: Vec<f64>) {
        self.put(what, who, unit, samples, None);
    }

    fn put(
        &mut self,
        what: &str,
        who: &str,
        unit: &'static str,
        mut samples: Vec<f64>,
        budget: Option<Budget>,
    ) {
        samples.sort_by(f64::total_cmp);
        eprintln!(
            "figures: {what}, {who}: {} {unit}",
            number(median(&samples))
        );
        self.rows.push(Row {
            what: what.to_owned(),
            who: who.to_owned(),
            unit,
            samples,
            budget,
        });
    }

    pub fn markdown(&self) -> String {
        let mut text = "| what | who | median | 5 % – 95 % | beside register | budget | met |\n\
                        | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
        for row in &self.rows {
            let (low, high) = row.spread();
            let spread = match row.samples.len() {
                1 => String::new(),
                _ => format!("{} – {}", number(low), number(high)),
            };
            let ratio = self.ratio(row).map(|ratio| format!("{} ×", number(ratio)));
            let met = row.met().map(|met| if met { "yes" } else { "NO" });
            writeln!(
                text,
                "| {} | {} | {} {} | {spread} | {} | {} | {} |",
                row.what,
                row.who,
                number(median(&row.samples)),
                row.unit,
                ratio.unwrap_or_default(),
                row.budget
                    .map(|budget| budget.text(row.unit))
                    .unwrap_or_default(),
                met.unwrap_or_default(),
            )
            .unwrap();
        }
        text
    }

    pub fn json(&self) -> String {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let (low, high) = row.spread();
                json!({
                    "what": row.what,
                    "who": row.who,
                    "unit": row.unit,
                    "median": median(&row.samples),
                    "low": low,
                    "high": high,
                    "samples": row.samples.len(),
                    "ratio": self.ratio(row),
                    "budget": row.budget.map(|budget| budget.text(row.unit)),
                    "met": row.met(),
                })
            })
            .collect();
        format!("{:#}\n", json!(rows))
    }

    /// Of a peer's median to ours.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let ours = self
            .rows
            .iter()
            .find(|ours| ours.what == row.what && ours.who == REGISTER)?;
        (row.who != REGISTER).then(|| median(&row.samples) / median(&ours.samples))
    }
}

impl Row {
    fn spread(&self) -> (f64, f64) {
        let last = self.samples.len() - 1;
        (self.samples[last / 20], self.samples[last - last / 20])
    }

    fn met(&self) -> Option<bool> {
        self.budget
            .map(|budget| budget.is_met(median(&self.samples)))
    }
}

/// The median of samples in any order.
pub fn mid(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    median(&sorted)
}

/// Of sorted samples.
fn median(samples: &[f64]) -> f64 {
    samples[samples.len() / 2]
}

/// Three digits that count.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
