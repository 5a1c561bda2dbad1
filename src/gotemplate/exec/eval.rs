//! Pipelines, commands and operands.

use super::error::At;
use super::{Exec, ExecError, Operand};
use crate::Str;
use crate::nested::{RED_ZONE, STACK};
use crate::node::{Command, Expr, ExprKind, Pipe};
use crate::value::Value;

impl<'t> Exec<'t> {
    pub(super) fn eval_pipe(
        &mut self,
        dot: &Operand,
        pipe: &'t Pipe,
    ) -> Result<Operand, ExecError> {
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in &pipe.cmds {
            let mut result = self.eval_command(dot, command, value)?;
            result.is_interface = false;
            value = Some(result);
        }
        let value = value.unwrap_or(Value::Nil.into());
        for name in &pipe.decl {
            if pipe.is_assign {
                self.assign(name, value.clone())?;
            } else {
                self.declare(name, value.clone())?;
            }
        }
        Ok(value)
    }

    /// `last` is what the previous command of the pipeline made.
    fn eval_command(
        &mut self,
        dot: &Operand,
        command: &'t Command,
        last: Option<Operand>,
    ) -> Result<Operand, ExecError> {
        let Some((word, args)) = command.args.split_first() else {
            return Ok(Value::Nil.into());
        };
        match &word.kind {
            ExprKind::Field(_) | ExprKind::Chain(..) => {
                return self.eval_fields(dot, word, args, last);
            }
            ExprKind::Variable(names) if names.len() > 1 => {
                return self.eval_fields(dot, word, args, last);
            }
            ExprKind::Function(function) => {
                self.at = At::Expr(word);
                return self.call(dot, *function, None, At::Command(command), args, last);
            }
            ExprKind::Pipe(_) => {}
            _ => self.at = At::Expr(word),
        }
        if !args.is_empty() || last.is_some() {
            return Err(self.not_a_function(word));
        }
        match &word.kind {
            ExprKind::Nil => Err(self.error("nil is not a command")),
            _ => self.eval_operand(dot, word),
        }
    }

    #[cold]
    fn not_a_function(&self, word: &Expr) -> ExecError {
        match &word.kind {
            ExprKind::Pipe(pipe) => {
                self.error(format_args!("can't give argument to non-function {pipe}"))
            }
            _ => self.error(format_args!("can't give argument to non-function {word}")),
        }
    }

    /// An operand alone, for any type.
    pub(super) fn eval_operand(
        &mut self,
        dot: &Operand,
        expr: &'t Expr,
    ) -> Result<Operand, ExecError> {
        self.at = At::expr(expr);
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(Value::Nil.into()),
            ExprKind::Bool(value) => Ok(Value::Bool(*value).into()),
            ExprKind::Number(number) => self.ideal_constant(number).map(Operand::from),
            ExprKind::String { text, .. } => Ok(Value::String(text.clone()).into()),
            ExprKind::Field(_) | ExprKind::Chain(..) => self.eval_fields(dot, expr, &[], None),
            ExprKind::Variable(names) => match names.as_slice() {
                [name] => Ok(self.variables[self.variable(name)?].value.clone()),
                _ => self.eval_fields(dot, expr, &[], None),
            },
            ExprKind::Function(function) => {
                self.call(dot, *function, None, At::Expr(expr), &[], None)
            }
            ExprKind::Pipe(pipe) => {
                stacker::maybe_grow(RED_ZONE, STACK, || self.eval_pipe(dot, pipe))
            }
        }
    }

    /// `.A.B`, `$x.A.B` or `(…).A.B`. Arguments go to the last one.
    fn eval_fields(
        &mut self,
        dot: &Operand,
        expr: &'t Expr,
        args: &'t [Expr],
        last: Option<Operand>,
    ) -> Result<Operand, ExecError> {
        self.at = At::Expr(expr);
        let (receiver, fields): (_, &'t [Str]) = match &expr.kind {
            ExprKind::Field(fields) => (None, fields),
            ExprKind::Variable(names) => match names.split_first() {
                Some((name, fields)) => (
                    Some(self.variables[self.variable(name)?].value.clone()),
                    fields,
                ),
                None => (None, &[]),
            },
            ExprKind::Chain(operand, fields) => {
                if matches!(operand.kind, ExprKind::Nil) {
                    let message = format_args!("indirection through explicit nil in {expr}");
                    return Err(self.error(message));
                }
                (Some(self.eval_operand(dot, operand)?), fields)
            }
            _ => (Some(self.eval_operand(dot, expr)?), &[]),
        };
        let Some((name, chain)) = fields.split_last() else {
            return Ok(receiver.unwrap_or_else(|| dot.clone()));
        };
        let mut receiver = receiver;
        for name in chain {
            let from = receiver.as_ref().unwrap_or(dot);
            receiver = Some(self.eval_field(dot, from, name, expr, &[], None)?);
        }
        let from = receiver.as_ref().unwrap_or(dot);
        self.eval_field(dot, from, name, expr, args, last)
    }
}
