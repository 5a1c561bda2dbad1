//! Values under a verb, by their Go types.

use super::Printer;
use crate::nested::{RED_ZONE, STACK};
use crate::types::Type;
use crate::value::{Integer, Value};

/// Where Go would print an address, which is another in each run.
const ADDRESS: u64 = 0xc0_0000_0000;

impl Printer<'_> {
    /// An argument of `Printf` and the like.
    pub(crate) fn print_arg(&mut self, arg: &Value, verb: char) {
        match (arg.kind(), verb) {
            (None, 'T' | 'v') => self.pad(b"<nil>"),
            (None, _) => self.print_bad_verb(arg, verb),
            (Some(kind), 'T') => self.print_type(kind),
            (Some(_), 'p') => self.print_address_or_fault(arg, verb),
            (Some(_), _) => self.print_value(arg, verb, 0),
        }
    }

    fn print_type(&mut self, kind: Type) {
        self.print_string(kind.to_string().as_bytes(), 's');
    }

    /// `type=value`, in reports of faults.
    pub(super) fn print_typed(&mut self, arg: &Value) {
        match arg.kind() {
            None => self.out.extend_from_slice(b"<nil>"),
            Some(kind) => {
                self.out.extend_from_slice(format!("{kind}=").as_bytes());
                self.print_arg(arg, 'v');
            }
        }
    }

    fn print_bad_verb(&mut self, arg: &Value, verb: char) {
        self.out.extend_from_slice(format!("%!{verb}(").as_bytes());
        let erroring = std::mem::replace(&mut self.erroring, true);
        self.print_typed(arg);
        self.erroring = erroring;
        self.out.push(b')');
    }

    /// `value`, which is `depth` collections deep.
    fn print_value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.is_full() || self.print_with_method(value, verb) {
            return;
        }
        let is_printed = match value {
            Value::Nil => self.print_nil(),
            Value::Bool(value) => self.print_bool(*value, verb),
            Value::Int(_)
            | Value::Uint8(_)
            | Value::Uint16(_)
            | Value::Int64(_)
            | Value::Duration(_)
            | Value::Month(_)
            | Value::Weekday(_) => value
                .integer()
                .is_some_and(|number| self.print_integer(number, verb)),
            Value::Float(value) => self.print_float(*value, verb),
            Value::Complex(real, imaginary) => self.print_complex(*real, *imaginary, verb),
            Value::String(text) => self.print_string(text, verb),
            Value::Srv(_) if depth == 0 => {
                self.out.push(b'&');
                self.print_struct(value, "net.SRV", verb, depth)
            }
            Value::Srv(_) | Value::Location(_) => self.print_pointer(value, verb),
            Value::Pair(_) => self.print_struct(value, "memkv.KVPair", verb, depth),
            Value::Time(_) => self.print_struct(value, "time.Time", verb, depth),
            Value::Map(_) => {
                stacker::maybe_grow(RED_ZONE, STACK, || self.print_map(value, verb, depth))
            }
            Value::Strings(_)
            | Value::Ints(_)
            | Value::List(_)
            | Value::Pairs(_)
            | Value::PairSlice(_)
            | Value::Srvs(_) => {
                stacker::maybe_grow(RED_ZONE, STACK, || self.print_slice(value, verb, depth))
            }
        };
        if !is_printed {
            self.print_bad_verb(value, verb);
        }
    }

    /// A struct behind a pointer without the `&`: how actions print.
    pub(crate) fn print_pointed(&mut self, value: &Value) {
        self.print_struct(value, "net.SRV", 'v', 0);
    }

    /// The text of a value with a method `String`, where the verb is one for texts.
    fn print_with_method(&mut self, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        if verb == 'w' {
            let is_plain = matches!(
                value.kind(),
                Some(
                    Type::Bool
                        | Type::Int
                        | Type::Uint8
                        | Type::Uint16
                        | Type::Int64
                        | Type::Float
                        | Type::Complex
                        | Type::String
                )
            );
            if !is_plain {
                self.print_bad_verb(value, verb);
            }
            return !is_plain;
        }
        let text = match verb {
            'v' if self.flags.sharp_v => value.text("GoString"),
            'v' | 's' | 'x' | 'X' | 'q' => value.text("String"),
            _ => None,
        };
        let Some(text) = text else { return false };
        if self.flags.sharp_v {
            self.pad(&text);
            return true;
        }
        self.print_string(&text, verb)
    }

    fn print_nil(&mut self) -> bool {
        let text: &[u8] = if self.flags.sharp_v {
            b"interface {}(nil)"
        } else {
            b"<nil>"
        };
        self.out.extend_from_slice(text);
        true
    }

    fn print_bool(&mut self, value: bool, verb: char) -> bool {
        if matches!(verb, 't' | 'v') {
            self.pad(if value { b"true" } else { b"false" });
        }
        matches!(verb, 't' | 'v')
    }

    fn print_map(&mut self, value: &Value, verb: char, depth: usize) -> bool {
        let Value::Map(entries) = value else {
            return false;
        };
        self.open(value.kind(), b"map[");
        for (i, (key, value)) in entries.iter().enumerate() {
            self.separate(i);
            self.print_value(&Value::String(key.clone()), verb, depth + 1);
            self.out.push(b':');
            self.print_value(value, verb, depth + 1);
        }
        self.close(b']');
        true
    }

    fn print_slice(&mut self, value: &Value, verb: char, depth: usize) -> bool {
        self.open(value.kind(), b"[");
        for i in 0..value.len() {
            self.separate(i);
            self.print_value(&value.element(i).unwrap_or(Value::Nil), verb, depth + 1);
        }
        self.close(b']');
        true
    }

    fn print_struct(&mut self, value: &Value, name: &str, verb: char, depth: usize) -> bool {
        if self.flags.sharp_v {
            self.out.extend_from_slice(name.as_bytes());
        }
        self.out.push(b'{');
        for (i, field) in value.fields().iter().enumerate() {
            self.separate(i);
            if self.flags.plus_v || self.flags.sharp_v {
                self.out.extend_from_slice(field.as_bytes());
                self.out.push(b':');
            }
            let value = value.field(field.as_bytes()).unwrap_or(Value::Nil);
            self.print_value(&value, verb, depth + 1);
        }
        self.out.push(b'}');
        true
    }

    fn open(&mut self, kind: Option<Type>, bracket: &[u8]) {
        match kind {
            Some(kind) if self.flags.sharp_v => {
                self.out.extend_from_slice(format!("{kind}{{").as_bytes());
            }
            _ => self.out.extend_from_slice(bracket),
        }
    }

    fn separate(&mut self, index: usize) {
        if index > 0 && self.flags.sharp_v {
            self.out.extend_from_slice(b", ");
        } else if index > 0 {
            self.out.push(b' ');
        }
    }

    fn close(&mut self, bracket: u8) {
        self.out
            .push(if self.flags.sharp_v { b'}' } else { bracket });
    }

    /// `%p`
    fn print_address_or_fault(&mut self, value: &Value, verb: char) {
        let is_pointer = matches!(value, Value::Map(_) | Value::Srv(_) | Value::Location(_));
        if is_pointer || value.is_slice() {
            self.print_pointer(value, verb);
        } else {
            self.print_bad_verb(value, verb);
        }
    }

    fn print_pointer(&mut self, value: &Value, verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => {
                let kind = value
                    .kind()
                    .map(|kind| kind.to_string())
                    .unwrap_or_default();
                self.out
                    .extend_from_slice(format!("({kind})({ADDRESS:#x})").as_bytes());
                true
            }
            'v' | 'p' => {
                self.print_0x(ADDRESS, !self.flags.sharp);
                true
            }
            'b' | 'o' | 'd' | 'x' | 'X' => self.print_integer(Integer::Unsigned(ADDRESS), verb),
            _ => false,
        }
    }
}
