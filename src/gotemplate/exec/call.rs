//! Calls of functions and methods: how many arguments, of which types.

use std::ptr;

use super::error::At;
use super::field::type_name;
use super::{Exec, ExecError, Operand};
use crate::builtin;
use crate::function::{Callee, Signature, Target};
use crate::node::{Expr, ExprKind};
use crate::types::Type;
use crate::value::Value;

impl<'t> Exec<'t> {
    /// Calls `function`, or the method that it is of `receiver`. `node` is what an error of the
    /// function itself is reported at.
    pub(super) fn call(
        &mut self,
        dot: &Operand,
        callee: Callee,
        receiver: Option<Value>,
        node: At<'t>,
        args: &'t [Expr],
        last: Option<Operand>,
    ) -> Result<Operand, ExecError> {
        let function = callee.signature;
        let receivers = usize::from(receiver.is_some());
        let params = Params {
            params: function.params.get(receivers..).unwrap_or_default(),
            variadic: function.variadic,
        };
        self.check_count(function, &params, args.len(), last.is_some())?;
        let is_or = ptr::eq(function, builtin::OR.signature());
        if is_or || ptr::eq(function, builtin::AND.signature()) {
            return self.short_circuit(dot, is_or, args, last);
        }
        let start = self.args.len();
        self.args.extend(receiver);
        for (i, arg) in args.iter().enumerate() {
            let value = self.eval_arg(dot, params.param(i), arg)?;
            self.push_arg(function, value, params.param(i), node)?;
        }
        if let Some(last) = last {
            self.push_arg(function, last, params.param(args.len()), node)?;
        }
        let given = self.args.get(start..).unwrap_or_default();
        let made = match callee.target {
            Target::Include => {
                let [Value::String(name), dot] = given else {
                    return Err(self.call_error(function, node, "give a name and a value"));
                };
                let (name, dot) = (name.clone(), dot.clone());
                self.at = node;
                Ok(self.include(&name, dot)?)
            }
            Target::Pure(call) => call(given),
            Target::Blind(call) => call(&(), given),
            Target::OfCaller(number) => self.caller.call(number, given),
        };
        let value = match made {
            Ok(value) => value,
            Err(message) => return Err(self.call_error(function, node, &message)),
        };
        if let Err(message) = self.charge(&value) {
            self.at = node;
            return Err(self.error(message));
        }
        self.args.truncate(start);
        Ok(Operand {
            value,
            is_interface: function.result == Type::Any,
        })
    }

    fn check_count(
        &self,
        function: &Signature,
        params: &Params,
        given: usize,
        has_last: bool,
    ) -> Result<(), ExecError> {
        let name = function.name;
        let count = given + usize::from(has_last);
        let wanted = params.params.len();
        if function.variadic && count + 1 < wanted {
            let wanted = wanted - 1;
            return Err(self.error(format_args!(
                "wrong number of args for {name}: want at least {wanted} got {given}"
            )));
        }
        if !function.variadic && count != wanted {
            return Err(self.error(format_args!(
                "wrong number of args for {name}: want {wanted} got {count}"
            )));
        }
        match function.result {
            Type::Results(results) => Err(self.error(format_args!(
                "can't call method/function \"{name}\" with {results} results"
            ))),
            _ => Ok(()),
        }
    }

    /// `and` and `or`: no argument after the one that decides is evaluated.
    fn short_circuit(
        &mut self,
        dot: &Operand,
        decides: bool,
        args: &'t [Expr],
        last: Option<Operand>,
    ) -> Result<Operand, ExecError> {
        let mut value = Value::Nil;
        for arg in args {
            value = self.eval_arg(dot, Type::Value, arg)?.value;
            if value.is_true() == decides {
                return Ok(value.into());
            }
        }
        Ok(last.map_or(value, |last| last.value).into())
    }

    fn eval_arg(
        &mut self,
        dot: &Operand,
        param: Type,
        arg: &'t Expr,
    ) -> Result<Operand, ExecError> {
        match &arg.kind {
            ExprKind::Nil => {
                self.at = At::Expr(arg);
                if zero(param).is_none() {
                    return Err(self.error(format_args!("cannot assign nil to {param}")));
                }
                Ok(Value::Nil.into())
            }
            ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::String { .. } => {
                self.at = At::Expr(arg);
                self.constant(arg, param).map(Operand::from)
            }
            _ => self.eval_operand(dot, arg),
        }
    }

    /// Puts an argument to the others, converted to the parameter's type.
    fn push_arg(
        &mut self,
        function: &Signature,
        arg: Operand,
        param: Type,
        node: At<'t>,
    ) -> Result<(), ExecError> {
        // Only here a nil of type `interface {}` is not the same as nothing.
        if ptr::eq(function, builtin::LEN.signature()) && arg.is_nil_interface() {
            return Err(self.call_error(function, node, "len of nil pointer"));
        }
        let value = self.convert(arg, param)?;
        self.args.push(value);
        Ok(())
    }

    /// `arg` as a parameter of type `param` takes it.
    fn convert(&self, arg: Operand, param: Type) -> Result<Value, ExecError> {
        let is_interface = matches!(param, Type::Any | Type::Value);
        if is_interface || arg.value.kind() == Some(param) {
            return Ok(arg.value);
        }
        match (arg.value, param) {
            (Value::Pairs(pairs), Type::PairSlice) => Ok(Value::PairSlice(pairs)),
            (Value::PairSlice(pairs), Type::Pairs) => Ok(Value::Pairs(pairs)),
            (Value::Nil, _) if !arg.is_interface => zero(param)
                .ok_or_else(|| self.error(format_args!("invalid value; expected {param}"))),
            (value, _) => {
                let kind = type_name(&value.into());
                Err(self.error(format_args!(
                    "wrong type for value; expected {param}; got {kind}"
                )))
            }
        }
    }

    #[cold]
    fn call_error(&mut self, function: &Signature, node: At<'t>, message: &str) -> ExecError {
        self.at = node;
        self.error(format_args!("error calling {}: {message}", function.name))
    }
}

struct Params {
    params: &'static [Type],
    variadic: bool,
}

impl Params {
    /// Type of a parameter, or of each further one.
    fn param(&self, index: usize) -> Type {
        let param = self.params.get(index);
        let rest = self.params.last().filter(|_| self.variadic);
        param.or(rest).copied().unwrap_or(Type::Any)
    }
}

/// What nil is for a type that can be nil.
fn zero(kind: Type) -> Option<Value> {
    match kind {
        Type::Any | Type::Value | Type::Srv | Type::Location => Some(Value::Nil),
        Type::Strings => Some(Value::strings(Vec::new())),
        Type::Ints => Some(Value::Ints([].into())),
        Type::List => Some(Value::list(Vec::new())),
        Type::Map => Some(Value::map(std::collections::BTreeMap::new())),
        Type::Pairs => Some(Value::Pairs(std::rc::Rc::default())),
        Type::PairSlice => Some(Value::PairSlice(std::rc::Rc::default())),
        Type::Srvs => Some(Value::Srvs([].into())),
        Type::Bool
        | Type::Int
        | Type::Uint8
        | Type::Uint16
        | Type::Int64
        | Type::Float
        | Type::Complex
        | Type::String
        | Type::Pair
        | Type::Time
        | Type::Duration
        | Type::Month
        | Type::Weekday
        | Type::Results(_) => None,
    }
}
