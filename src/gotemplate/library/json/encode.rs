//! `json.Marshal` and `json.MarshalIndent`.

use std::fmt::Write as _;

use thiserror::Error;

use crate::nested::{RED_ZONE, STACK};
use crate::value::{Integer, Value};

/// More than this is a mistake in a template.
const LONGEST: usize = 64 << 20;

/// `time.RFC3339Nano`
const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// Why there is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MarshalError {
    /// JSON has nothing that stands for it.
    #[error("json: unsupported {0}")]
    Unsupported(String),
    /// It would be a mistake in a template.
    #[error("text exceeds {LONGEST} bytes")]
    TooLong,
}

/// `json.Marshal`: on one line, keys sorted, `<`, `>` and `&` escaped.
///
/// # Errors
/// When it cannot be written as JSON, or is too long.
pub fn marshal(value: &Value) -> Result<String, MarshalError> {
    encoded(value, None)
}

/// `json.MarshalIndent` without a prefix: the same, each element on a line of its own after as many
/// `indent` as it is deep.
///
/// # Errors
/// When it cannot be written as JSON, or is too long.
pub fn marshal_indent(value: &Value, indent: &str) -> Result<String, MarshalError> {
    encoded(value, Some(indent))
}

fn encoded(value: &Value, indent: Option<&str>) -> Result<String, MarshalError> {
    let mut encoder = Encoder {
        out: String::new(),
        indent,
        depth: 0,
    };
    encoder.value(value)?;
    encoder.check_length()?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    out: String,
    indent: Option<&'a str>,
    depth: usize,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value) -> Result<(), MarshalError> {
        self.check_length()?;
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::String(text) => return self.string(text),
            Value::Float(value) => return self.float(*value),
            Value::Complex(..) => return Err(MarshalError::Unsupported("type: complex128".into())),
            Value::Time(_) => return self.time(value),
            Value::Location(_) => self.out.push_str("{}"),
            Value::Pair(_) | Value::Srv(_) => {
                let fields = value.fields().iter().map(|name| name.as_bytes());
                return self.object(fields.map(|name| (name, value.field(name))));
            }
            Value::Map(entries) => {
                let entries = entries.iter();
                return self.object(entries.map(|(key, value)| (&key[..], Some(value.clone()))));
            }
            _ => match value.integer() {
                Some(number) => self.integer(number),
                None => return self.array(value),
            },
        }
        Ok(())
    }

    fn integer(&mut self, number: Integer) {
        // Writing to a string cannot fail.
        let _ = match number {
            Integer::Signed(number) => write!(self.out, "{number}"),
            Integer::Unsigned(number) => write!(self.out, "{number}"),
        };
    }

    fn float(&mut self, value: f64) -> Result<(), MarshalError> {
        if !value.is_finite() {
            return Err(MarshalError::Unsupported(format!("value: {value}")));
        }
        let size = value.abs();
        let text = match size == 0.0 || (1e-6..1e21).contains(&size) {
            true => value.to_string(),
            false if size < 1.0 => format!("{value:e}"),
            false => format!("{value:e}").replace('e', "e+"),
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn time(&mut self, time: &Value) -> Result<(), MarshalError> {
        let format = time.method(b"Format");
        let args = [time.clone(), Value::string(RFC3339)];
        match format.map(|format| format.call(&(), &args)) {
            Some(Ok(Value::String(text))) => self.string(&text),
            _ => Err(MarshalError::Unsupported("value: a time".into())),
        }
    }

    /// What is no UTF-8 becomes replacement characters.
    fn string(&mut self, text: &[u8]) -> Result<(), MarshalError> {
        self.out.push('"');
        for chunk in text.utf8_chunks() {
            for char in chunk.valid().chars() {
                self.char(char);
                self.check_length()?;
            }
            let invalid = chunk.invalid().iter();
            self.out.extend(invalid.map(|_| "\\ufffd"));
            self.check_length()?;
        }
        self.out.push('"');
        Ok(())
    }

    fn char(&mut self, char: char) {
        match char {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(self.out, "\\u{:04x}", u32::from(char));
            }
            _ => self.out.push(char),
        }
    }

    fn array(&mut self, slice: &Value) -> Result<(), MarshalError> {
        let items = (0..slice.len()).map_while(|index| slice.element(index));
        self.nested(['[', ']'], items, |encoder, item| encoder.value(&item))
    }

    fn object<'k>(
        &mut self,
        fields: impl Iterator<Item = (&'k [u8], Option<Value>)>,
    ) -> Result<(), MarshalError> {
        self.nested(['{', '}'], fields, |encoder, (name, value)| {
            encoder.string(name)?;
            encoder.out.push(':');
            if encoder.indent.is_some() {
                encoder.out.push(' ');
            }
            encoder.value(&value.unwrap_or(Value::Nil))
        })
    }

    /// The items between brackets; however deep, it does not run out of stack.
    fn nested<T>(
        &mut self,
        [open, close]: [char; 2],
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Result<(), MarshalError>,
    ) -> Result<(), MarshalError> {
        self.out.push(open);
        self.depth += 1;
        let mut is_first = true;
        for item in items {
            if !std::mem::take(&mut is_first) {
                self.out.push(',');
            }
            self.line();
            stacker::maybe_grow(RED_ZONE, STACK, || write(self, item))?;
        }
        self.depth -= 1;
        if !is_first {
            self.line();
        }
        self.out.push(close);
        Ok(())
    }

    /// Where the next element begins.
    fn line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(indent, self.depth));
        }
    }

    fn check_length(&self) -> Result<(), MarshalError> {
        match self.out.len() > LONGEST {
            true => Err(MarshalError::TooLong),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use jiff::civil;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::library::json::any;
    use crate::value::KVPair;

    fn json(text: &str) -> Value {
        any(&[Value::string(text.to_owned())]).unwrap()
    }

    #[test]
    fn json_is_written_as_it_was_read_with_keys_sorted_and_no_space() {
        let text = r#"{"b": [1, -2.5, "x"], "a": {"d": {}, "c": []}, "e": [true, null]}"#;
        assert_eq!(
            marshal(&json(text)).unwrap(),
            r#"{"a":{"c":[],"d":{}},"b":[1,-2.5,"x"],"e":[true,null]}"#
        );
    }

    #[test]
    fn each_element_has_a_line_and_what_is_empty_none() {
        let text = r#"{"a": [1, {"b": 2}], "c": [], "d": {}}"#;
        let expected = "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}";
        assert_eq!(marshal_indent(&json(text), "  ").unwrap(), expected);
        assert_eq!(marshal_indent(&Value::Int(1), "  ").unwrap(), "1");
    }

    #[test]
    fn what_html_and_javascript_act_on_is_escaped() {
        let text = Value::string(&b"<a href=\"&\">\\\n\r\t\x08\x7f\xff\xe2\x80\xa8\xc3\xa9"[..]);
        assert_eq!(
            marshal(&text).unwrap(),
            "\"\\u003ca href=\\\"\\u0026\\\"\\u003e\\\\\\n\\r\\t\\u0008\u{7f}\\ufffd\\u2028é\""
        );
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (0.1, "0.1"),
        ] {
            assert_eq!(marshal(&Value::Float(number)).unwrap(), text);
        }
        assert_eq!(marshal(&Value::Uint16(7)).unwrap(), "7");
        assert_eq!(marshal(&Value::Month(7)).unwrap(), "7");
    }

    #[test]
    fn structs_are_objects_of_their_fields() {
        let pair = KVPair {
            key: "/a".into(),
            value: "1".into(),
        };
        assert_eq!(
            marshal(&Value::Pair(Rc::new(pair))).unwrap(),
            r#"{"Key":"/a","Value":"1"}"#
        );
        assert_eq!(
            marshal(&Value::strings(vec!["a".into(), "b".into()])).unwrap(),
            r#"["a","b"]"#
        );
    }

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        let time = civil::date(2024, 2, 29).at(1, 2, 3, 500_000_000);
        let time = TimeZone::UTC.to_zoned_datetime(time).unwrap();
        assert_eq!(
            marshal(&Value::Time(Rc::new(time))).unwrap(),
            "\"2024-02-29T01:02:03.5Z\""
        );
    }

    #[test]
    fn what_json_lacks_is_refused() {
        let unsupported = |what: &str| Err(MarshalError::Unsupported(what.into()));
        assert_eq!(
            marshal(&Value::Complex(1.0, 2.0)),
            unsupported("type: complex128")
        );
        assert_eq!(
            marshal(&Value::list(vec![Value::Float(f64::NAN)])),
            unsupported("value: NaN")
        );
    }

    #[test]
    fn however_deep_it_is_written_and_however_often_shared_it_is_bounded() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(marshal(&json(&deep)).unwrap(), deep);
        assert_eq!(
            marshal_indent(&json(&deep), "  "),
            Err(MarshalError::TooLong)
        );
        let mut value = Value::Nil;
        for _ in 0..40 {
            value = Value::list(vec![value.clone(), value]);
        }
        assert_eq!(marshal(&value), Err(MarshalError::TooLong));
    }
}
