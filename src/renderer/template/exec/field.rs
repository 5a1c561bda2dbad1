//! Fields of structs, entries of maps, and methods.

use super::error::At;
use super::{Exec, ExecError, Operand};
use crate::Str;
use crate::template::MissingKey;
use crate::template::function::Type;
use crate::template::node::Expr;
use crate::template::quote::quote;
use crate::template::value::{KVPair, Srv, Value};

impl<'t> Exec<'t> {
    /// `receiver.name`, as part of `expr`.
    pub(super) fn eval_field(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        name: &'t Str,
        expr: &'t Expr,
        args: &'t [Expr],
        last: Option<Operand>,
    ) -> Result<Operand, ExecError> {
        if receiver.is_invalid() {
            return match self.missing_key {
                MissingKey::Error => {
                    Err(self.error(format_args!("nil data; no entry for key {}", quote(name))))
                }
                MissingKey::Invalid | MissingKey::Zero => Ok(Value::Nil.into()),
            };
        }
        let value = &receiver.value;
        if let Some(method) = value.method(name) {
            return self.call(dot, method, Some(value.clone()), At::Expr(expr), args, last);
        }
        let has_args = !args.is_empty() || last.is_some();
        let field = match value {
            Value::Nil => {
                return Err(self.field_error("nil pointer evaluating", receiver, ".", name));
            }
            Value::Map(_) if has_args => {
                return Err(self.named_error(name, "is not a method but has arguments"));
            }
            Value::Map(entries) => return self.entry(entries.get(name), name),
            Value::Pair(pair) => pair_field(pair, name),
            Value::Srv(srv) => srv_field(srv, name),
            _ => None,
        };
        match field {
            Some(_) if has_args => {
                Err(self.named_error(name, "has arguments but cannot be invoked as function"))
            }
            Some(field) => Ok(field.into()),
            None => {
                let name = String::from_utf8_lossy(name);
                let kind = type_name(receiver);
                Err(self.error(format_args!("can't evaluate field {name} in type {kind}")))
            }
        }
    }

    fn entry(&self, value: Option<&Value>, name: &Str) -> Result<Operand, ExecError> {
        match (value, self.missing_key) {
            (Some(value), _) => Ok(Operand::interface(value.clone())),
            (None, MissingKey::Invalid) => Ok(Value::Nil.into()),
            (None, MissingKey::Zero) => Ok(Operand::interface(Value::Nil)),
            (None, MissingKey::Error) => {
                Err(self.error(format_args!("map has no entry for key {}", quote(name))))
            }
        }
    }

    #[cold]
    fn field_error(&self, what: &str, receiver: &Operand, dot: &str, name: &Str) -> ExecError {
        let kind = type_name(receiver);
        let name = String::from_utf8_lossy(name);
        self.error(format_args!("{what} {kind}{dot}{name}"))
    }

    #[cold]
    fn named_error(&self, name: &Str, what: &str) -> ExecError {
        let name = String::from_utf8_lossy(name);
        self.error(format_args!("{name} {what}"))
    }
}

fn pair_field(pair: &KVPair, name: &[u8]) -> Option<Value> {
    match name {
        b"Key" => Some(Value::String(pair.key.clone())),
        b"Value" => Some(Value::String(pair.value.clone())),
        _ => None,
    }
}

fn srv_field(srv: &Srv, name: &[u8]) -> Option<Value> {
    match name {
        b"Target" => Some(Value::String(srv.target.clone())),
        b"Port" => Some(Value::Uint16(srv.port)),
        b"Priority" => Some(Value::Uint16(srv.priority)),
        b"Weight" => Some(Value::Uint16(srv.weight)),
        _ => None,
    }
}

/// Name of the type that Go sees.
pub(super) fn type_name(operand: &Operand) -> String {
    match operand.value.kind() {
        Some(kind) if !operand.is_interface => kind.to_string(),
        _ => Type::Any.to_string(),
    }
}
