//! A value that is a table, as JSON.

use serde_json::{Map, Number, Value};

use super::document::{Node, Table, TomlValue};
use super::fields::Fields;
use crate::config::faults::Faults;
use crate::config::placeholders::Placeholders;
use crate::fault::{Fault, Place};

/// With variables and placeholders replaced in its strings. `place` is that of the table.
pub(super) fn filled(
    fields: &Fields<'_>,
    place: &Place,
    table: &Table,
    placeholders: Placeholders<'_>,
    faults: &mut Faults,
) -> Option<Map<String, Value>> {
    let mut json = Json {
        fields,
        place,
        placeholders,
        faults,
    };
    json.table(table)
}

struct Json<'a> {
    fields: &'a Fields<'a>,
    place: &'a Place,
    placeholders: Placeholders<'a>,
    faults: &'a mut Faults,
}

impl Json<'_> {
    /// None if anything is wrong with any of it.
    fn table(&mut self, table: &Table) -> Option<Map<String, Value>> {
        let fields = table.iter().map(|(name, node)| (name, self.value(node)));
        let fields: Vec<_> = fields.collect();
        fields
            .into_iter()
            .map(|(name, value)| Some((name.clone(), value?)))
            .collect()
    }

    fn value(&mut self, node: &Node) -> Option<Value> {
        match &node.value {
            TomlValue::Text(text) => self.text(text).map(Value::String),
            TomlValue::Integer(Some(number)) => Some((*number).into()),
            TomlValue::Integer(None) => self.wrong("has a number of more than 64 bits"),
            TomlValue::Float(number) => match Number::from_f64(*number) {
                Some(number) => Some(Value::Number(number)),
                None => self.wrong("has a number that JSON cannot write"),
            },
            TomlValue::Boolean(on) => Some((*on).into()),
            TomlValue::Date(date) => Some(date.as_str().into()),
            TomlValue::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                items.into_iter().collect::<Option<_>>().map(Value::Array)
            }
            TomlValue::Table(table) => self.table(table).map(Value::Object),
        }
    }

    fn text(&mut self, text: &str) -> Option<String> {
        let place = self.place.clone();
        let text = self.fields.replaced(text, place, self.faults)?;
        let filled = self.placeholders.fill("--value", &text);
        self.faults.take(filled)
    }

    fn wrong<T>(&mut self, what: &str) -> Option<T> {
        self.faults.add(Fault::sentence(self.place.clone(), what));
        None
    }
}
