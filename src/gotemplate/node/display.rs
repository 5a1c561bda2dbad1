//! Nodes as Go prints them.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Call, Command, Expr, ExprKind, Pipe};
use crate::Str;
use crate::nested::{RED_ZONE, STACK};
use crate::quote::quote;

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", quote(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_joined(f, &self.decl, ", ", write_text)?;
        if !self.decl.is_empty() {
            // Also for an assignment.
            f.write_str(" := ")?;
        }
        stacker::maybe_grow(RED_ZONE, STACK, || {
            write_joined(f, &self.cmds, " | ", |f, command| command.fmt(f))
        })
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_joined(f, &self.args, " ", |f, arg| arg.fmt(f))
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Dot => f.write_char('.'),
            ExprKind::Nil => f.write_str("nil"),
            ExprKind::Bool(value) => value.fmt(f),
            ExprKind::Number(number) => write_text(f, &number.text),
            ExprKind::String { quoted, .. } => write_text(f, quoted),
            ExprKind::Field(fields) => write_fields(f, fields),
            ExprKind::Variable(names) => write_joined(f, names, ".", write_text),
            ExprKind::Function(function) => f.write_str(function.signature.name),
            ExprKind::Chain(operand, fields) => {
                operand.fmt(f)?;
                write_fields(f, fields)
            }
            ExprKind::Pipe(pipe) => write!(f, "({pipe})"),
        }
    }
}

fn write_fields(f: &mut Formatter<'_>, fields: &[Str]) -> fmt::Result {
    for field in fields {
        f.write_char('.')?;
        write_text(f, field)?;
    }
    Ok(())
}

fn write_text(f: &mut Formatter<'_>, text: &Str) -> fmt::Result {
    f.write_str(&String::from_utf8_lossy(text))
}

fn write_joined<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    separator: &str,
    write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}
