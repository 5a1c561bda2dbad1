//! Where and why executing a template stopped, in Go's words.

use thiserror::Error;

use super::Exec;
use crate::node::{Call, Command, Expr, ExprKind, Pipe};
use crate::quote::quote;

/// Why a template could not be executed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ExecError(String);

/// The node that an error would be reported at.
#[derive(Clone, Copy)]
pub(super) enum At<'t> {
    Start,
    Call(&'t Call),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Expr(&'t Expr),
}

impl<'t> At<'t> {
    /// `expr`, which is shown without the parentheses that may be around it.
    pub(super) fn expr(expr: &'t Expr) -> Self {
        match &expr.kind {
            ExprKind::Pipe(pipe) => Self::Pipe(pipe),
            _ => Self::Expr(expr),
        }
    }

    fn position_and_text(self) -> Option<(usize, String)> {
        match self {
            Self::Start => None,
            Self::Call(call) => Some((call.pos, call.to_string())),
            Self::Pipe(pipe) => Some((pipe.pos, pipe.to_string())),
            Self::Command(command) => Some((command.pos, command.to_string())),
            Self::Expr(expr) => Some((expr.pos, expr.to_string())),
        }
    }
}

impl Exec<'_> {
    #[cold]
    pub(super) fn error(&self, message: impl std::fmt::Display) -> ExecError {
        let Some((pos, context)) = self.at.position_and_text() else {
            let name = String::from_utf8_lossy(self.name);
            return ExecError(format!("template: {name}: {message}"));
        };
        let location = self.trees.location(pos);
        let name = quote(self.name);
        ExecError(format!(
            "template: {location}: executing {name} at <{context}>: {message}"
        ))
    }
}
