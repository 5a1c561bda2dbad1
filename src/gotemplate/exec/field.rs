//! Fields of structs, entries of maps, and methods.

use super::error::At;
use super::{Exec, ExecError, Operand};
use crate::Str;
use crate::function::Callee;
use crate::node::Expr;
use crate::options::MissingKey;
use crate::quote::quote;
use crate::types::Type;
use crate::value::Value;

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
            return self.call(
                dot,
                Callee::blind(method),
                Some(value.clone()),
                At::Expr(expr),
                args,
                last,
            );
        }
        let has_args = !args.is_empty() || last.is_some();
        match (value, value.field(name)) {
            (Value::Map(entries), _) if !has_args => self.entry(entries.get(name), name),
            (_, Some(field)) if !has_args => Ok(field.into()),
            (_, field) => Err(self.field_error(receiver, name, field.is_some())),
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
    fn field_error(&self, receiver: &Operand, name: &Str, is_field: bool) -> ExecError {
        let kind = type_name(receiver);
        let name = String::from_utf8_lossy(name);
        self.error(match receiver.value {
            Value::Nil => format!("nil pointer evaluating {kind}.{name}"),
            Value::Map(_) => format!("{name} is not a method but has arguments"),
            _ if is_field => format!("{name} has arguments but cannot be invoked as function"),
            _ => format!("can't evaluate field {name} in type {kind}"),
        })
    }
}

/// Name of the type that Go sees.
pub(super) fn type_name(operand: &Operand) -> String {
    match operand.value.kind() {
        Some(kind) if !operand.is_interface => kind.to_string(),
        _ => Type::Any.to_string(),
    }
}
