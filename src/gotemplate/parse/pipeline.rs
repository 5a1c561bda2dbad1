//! What stands between the delimiters: pipelines, commands and operands.

use super::unquote::unquote;
use super::{ParseError, Parser, number};
use crate::Str;
use crate::function::Callee;
use crate::lex::{Item, Kind};
use crate::node::{Command, Expr, ExprKind, Pipe};
use crate::parts::included;
use crate::quote::quote;

impl Parser<'_> {
    /// Parses up to and including an item of the kind `end`.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, ParseError> {
        let pos = self.peek_non_space().start;
        let (decl, is_assign) = self.declarations(context)?;
        let mut cmds = Vec::new();
        loop {
            let item = self.next_non_space();
            if item.kind == end {
                break;
            }
            if !starts_operand(item.kind) {
                return Err(self.unexpected(item, context));
            }
            self.back_up(item);
            cmds.push(self.command()?);
        }
        self.check_commands(&cmds, context)?;
        Ok(Pipe {
            pos,
            is_assign,
            decl,
            cmds,
        })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<Str>, bool), ParseError> {
        let mut decl = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok((decl, false));
            }
            self.next();
            let after = self.peek();
            let operator = self.peek_non_space();
            let is_comma = operator.kind == Kind::Char && self.value(operator) == ",";
            if !is_comma && !matches!(operator.kind, Kind::Assign | Kind::Declare) {
                // The variable is an operand. Whether space follows it matters.
                if after.kind == Kind::Space {
                    self.back_up(after);
                }
                self.back_up(variable);
                return Ok((decl, false));
            }
            self.next_non_space();
            let name = self.value(variable);
            self.tree.vars.push(name.clone());
            decl.push(name);
            if !is_comma {
                return Ok((decl, operator.kind == Kind::Assign));
            }
            self.check_second_declaration(context, decl.len())?;
        }
    }

    fn check_second_declaration(&mut self, context: &str, count: usize) -> Result<(), ParseError> {
        if context != "range" || count > 1 {
            return Err(self.error(format!("too many declarations in {context}")));
        }
        match self.peek_non_space().kind {
            Kind::Variable | Kind::RightDelim | Kind::RightParen => Ok(()),
            _ => Err(self.error("range can only initialize variables")),
        }
    }

    fn check_commands(&self, cmds: &[Command], context: &str) -> Result<(), ParseError> {
        if cmds.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        let is_constant = |command: &Command| command.args.first().is_some_and(Expr::is_constant);
        match cmds.iter().skip(1).position(is_constant) {
            Some(i) => {
                let stage = i + 2;
                Err(self.error(format!("non executable command in pipeline stage {stage}")))
            }
            None => Ok(()),
        }
    }

    /// Operands, of which the first is there, up to a `|`, which is taken, or to the pipeline's end,
    /// which is not.
    fn command(&mut self) -> Result<Command, ParseError> {
        let pos = self.peek_non_space().start;
        let mut args = Vec::new();
        loop {
            // Drops leading space.
            self.peek_non_space();
            args.extend(self.operand()?);
            let item = self.next();
            match item.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.back_up(item),
                Kind::Pipe => {}
                _ => return Err(self.unexpected(item, "operand")),
            }
            break;
        }
        if let Some(included) = included(&args) {
            let included = self.valid(included)?;
            self.inclusions.push(included);
        }
        Ok(Command { pos, args })
    }

    /// A term and the fields that hang on it.
    fn operand(&mut self) -> Result<Option<Expr>, ParseError> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let pos = self.peek().start;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            let item = self.next();
            fields.push(self.field(item));
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        if term.is_constant() {
            let written = quote(&self.text.slice(term.pos..pos));
            return Err(self.error(format!("unexpected . after term {written}")));
        }
        let kind = match term.kind {
            ExprKind::Field(names) => ExprKind::Field([names, fields].concat()),
            ExprKind::Variable(names) => ExprKind::Variable([names, fields].concat()),
            _ => ExprKind::Chain(Box::new(term), fields),
        };
        Ok(Some(Expr { pos, kind }))
    }

    fn term(&mut self) -> Result<Option<Expr>, ParseError> {
        let item = self.next_non_space();
        let value = self.value(item);
        let kind = match item.kind {
            Kind::Identifier => ExprKind::Function(self.known_function(item)?),
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => ExprKind::Variable(vec![self.known_variable(value)?]),
            Kind::Field => ExprKind::Field(vec![self.field(item)]),
            Kind::Bool => ExprKind::Bool(value == "true"),
            Kind::CharConstant => ExprKind::Number(self.valid(number::char_constant(value))?),
            Kind::Complex => ExprKind::Number(self.valid(number::complex(value))?),
            Kind::Number => ExprKind::Number(self.valid(number::number(value))?),
            Kind::String | Kind::RawString => ExprKind::String {
                text: self.unquoted(item)?,
                quoted: value,
            },
            Kind::LeftParen => {
                let pipe = self
                    .nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Expr {
                    pos: pipe.pos,
                    kind: ExprKind::Pipe(Box::new(pipe)),
                }));
            }
            _ => {
                self.back_up(item);
                return Ok(None);
            }
        };
        Ok(Some(Expr {
            pos: item.start,
            kind,
        }))
    }

    /// The name without its dot.
    fn field(&self, item: Item) -> Str {
        self.text.slice(item.start + 1..item.end)
    }

    fn known_function(&self, item: Item) -> Result<Callee, ParseError> {
        self.function(item)
            .ok_or_else(|| self.error(format!("function {} not defined", quote(&self.value(item)))))
    }

    fn known_variable(&self, name: Str) -> Result<Str, ParseError> {
        if !self.tree.vars.iter().rev().any(|var| *var == name) {
            return Err(self.error(format!("undefined variable {}", quote(&name))));
        }
        Ok(name)
    }

    pub(super) fn unquoted(&self, item: Item) -> Result<Str, ParseError> {
        self.valid(unquote(&self.value(item)).ok_or("invalid syntax"))
    }

    fn valid<T>(&self, result: Result<T, impl AsRef<str>>) -> Result<T, ParseError> {
        result.map_err(|message| self.error(message))
    }
}

fn starts_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::CharConstant
            | Kind::Complex
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::RawString
            | Kind::String
            | Kind::Variable
            | Kind::LeftParen
    )
}
