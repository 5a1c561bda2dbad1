//! Executes a template: walks its nodes and writes what they make.

mod budget;
mod call;
mod constant;
mod error;
mod eval;
mod field;
mod include;
mod range;

pub use error::ExecError;

use std::slice;

use super::fmt::Printer;
use super::function::Caller;
use super::node::{Branch, Call, Expr, ExprKind, List, Node, Pipe};
use super::options::{MissingKey, Options};
use super::parse::Trees;
use super::parts::Parts;
use super::value::Value;
use crate::Str;
use budget::Budget;
use error::At;
use range::Iteration;

/// Go's limit, which costs no stack here.
const MOST_TEMPLATES: usize = 100_000;

/// Blocks that are open, or variables that are declared, at one time.
const MOST_OPEN: usize = 500_000;

/// A value, and whether its type is `interface {}`: error messages and nil depend on that.
#[derive(Clone, Debug)]
struct Operand {
    value: Value,
    is_interface: bool,
}

impl Operand {
    fn interface(value: Value) -> Self {
        Self {
            value,
            is_interface: true,
        }
    }

    /// Neither a value nor a type.
    fn is_invalid(&self) -> bool {
        matches!(self.value, Value::Nil) && !self.is_interface
    }

    fn is_nil_interface(&self) -> bool {
        matches!(self.value, Value::Nil) && self.is_interface
    }
}

impl From<Value> for Operand {
    fn from(value: Value) -> Self {
        Self {
            value,
            is_interface: false,
        }
    }
}

struct Variable<'t> {
    /// With its `$`.
    name: &'t [u8],
    value: Operand,
}

/// A list of nodes that is being walked.
struct Frame<'t> {
    nodes: slice::Iter<'t, Node>,
    dot: Operand,
    /// How many variables there were before.
    mark: usize,
    kind: Kind<'t>,
}

enum Kind<'t> {
    Block,
    Range(Box<Iteration<'t>>),
    /// What to go back to at the end.
    Template {
        caller: &'t [u8],
        base: usize,
    },
}

pub(super) struct Exec<'t> {
    trees: &'t Trees,
    caller: &'t dyn Caller,
    parts: &'t Parts,
    /// How many of them are inside each other.
    parts_open: usize,
    missing_key: MissingKey,
    out: Vec<u8>,
    /// Of the template that is being executed.
    name: &'t [u8],
    variables: Vec<Variable<'t>>,
    /// Index of the template's first variable.
    base: usize,
    /// How many templates are inside each other.
    depth: usize,
    /// Arguments of the calls that are being made.
    args: Vec<Value>,
    at: At<'t>,
    budget: Budget,
}

impl<'t> Exec<'t> {
    pub(super) fn new(
        trees: &'t Trees,
        caller: &'t dyn Caller,
        parts: &'t Parts,
        options: &'t Options,
    ) -> Self {
        Self {
            budget: Budget::new(&options.limits),
            ..Self::of(trees, caller, parts, options.missing_key)
        }
    }

    /// With nothing to spend.
    fn of(
        trees: &'t Trees,
        caller: &'t dyn Caller,
        parts: &'t Parts,
        missing_key: MissingKey,
    ) -> Self {
        Self {
            trees,
            caller,
            parts,
            parts_open: 0,
            missing_key,
            out: Vec::new(),
            name: trees.parse_name().as_bytes(),
            variables: Vec::new(),
            base: 0,
            depth: 0,
            args: Vec::new(),
            at: At::Start,
            budget: Budget::default(),
        }
    }

    /// Executes the template that the file is named after.
    pub(super) fn run(mut self, data: &Value) -> Result<Vec<u8>, ExecError> {
        self.execute(data)?;
        Ok(self.out)
    }

    fn execute(&mut self, data: &Value) -> Result<(), ExecError> {
        let Some(root) = self.trees.get(self.name) else {
            let name = super::quote::quote(self.name);
            return Err(self.error(format_args!("{name} is an incomplete or empty template")));
        };
        let dot = Operand::from(data.clone());
        self.declare(b"$", dot.clone())?;
        let mut frames = vec![Frame {
            nodes: root.0.iter(),
            dot,
            mark: 0,
            kind: Kind::Block,
        }];
        while let Some(frame) = frames.last_mut() {
            match self.walk(frame)? {
                Some(node) => self.enter(node, &mut frames)?,
                None => self.leave(&mut frames)?,
            }
        }
        Ok(())
    }

    /// Texts and actions up to a node that opens or closes something.
    fn walk(&mut self, frame: &mut Frame<'t>) -> Result<Option<&'t Node>, ExecError> {
        for node in &mut frame.nodes {
            match node {
                Node::Text(text) => self.out.extend_from_slice(text),
                Node::Action(pipe) => self.action(&frame.dot, pipe)?,
                node => return self.step().map(|()| Some(node)),
            }
        }
        self.step().map(|()| None)
    }

    fn action(&mut self, dot: &Operand, pipe: &'t Pipe) -> Result<(), ExecError> {
        let limit = self.budget.output;
        // What actions mostly print is not copied.
        match only_operand(pipe) {
            Some((expr, ExprKind::Dot)) => {
                self.at = At::Expr(expr);
                print(&mut self.out, limit, &dot.value);
            }
            Some((expr, ExprKind::Variable(names))) if names.len() == 1 => {
                self.at = At::Expr(expr);
                let index = self.variable(&names[0])?;
                print(&mut self.out, limit, &self.variables[index].value.value);
            }
            _ => {
                let value = self.eval_pipe(dot, pipe)?;
                if pipe.decl.is_empty() {
                    print(&mut self.out, limit, &value.value);
                }
            }
        }
        self.check_output()
    }

    fn enter(&mut self, node: &'t Node, frames: &mut Vec<Frame<'t>>) -> Result<(), ExecError> {
        if frames.len() >= MOST_OPEN {
            return Err(self.error(format_args!(
                "exceeded maximum number of blocks ({MOST_OPEN})"
            )));
        }
        let Some(dot) = frames.last().map(|frame| &frame.dot) else {
            return Ok(());
        };
        match node {
            Node::Text(_) | Node::Action(_) => {}
            Node::If(branch) => frames.extend(self.branch(dot, branch, false)?),
            Node::With(branch) => frames.extend(self.branch(dot, branch, true)?),
            Node::Range(branch) => frames.extend(self.range(dot, branch)?),
            Node::Template(call) => {
                let frame = self.template(dot, call)?;
                frames.push(frame);
            }
            Node::Break => {
                to_range(frames);
                if let Some(frame) = frames.pop() {
                    self.variables.truncate(frame.mark);
                }
            }
            Node::Continue => {
                to_range(frames);
                if let Some(frame) = frames.last_mut() {
                    frame.nodes = [].iter();
                }
            }
        }
        Ok(())
    }

    /// After the last node of a list.
    fn leave(&mut self, frames: &mut Vec<Frame<'t>>) -> Result<(), ExecError> {
        let Some(frame) = frames.last_mut() else {
            return Ok(());
        };
        match &mut frame.kind {
            Kind::Range(iteration) => {
                if let Some(element) = self.iterate(iteration)? {
                    frame.nodes = iteration.body();
                    frame.dot = element;
                    return Ok(());
                }
            }
            Kind::Template { caller, base } => {
                self.name = caller;
                self.base = *base;
                self.depth -= 1;
            }
            Kind::Block => {}
        }
        self.variables.truncate(frame.mark);
        frames.pop();
        Ok(())
    }

    /// The arm of an `if` or `with` to walk.
    fn branch(
        &mut self,
        dot: &Operand,
        branch: &'t Branch,
        is_with: bool,
    ) -> Result<Option<Frame<'t>>, ExecError> {
        let mark = self.variables.len();
        for (pipe, list) in &branch.arms {
            let value = self.eval_pipe(dot, pipe)?;
            if value.value.is_true() {
                let dot = if is_with { value } else { dot.clone() };
                return Ok(Some(block(list, dot, mark)));
            }
        }
        let frame = branch
            .otherwise
            .as_ref()
            .map(|list| block(list, dot.clone(), mark));
        if frame.is_none() {
            self.variables.truncate(mark);
        }
        Ok(frame)
    }

    fn template(&mut self, dot: &Operand, call: &'t Call) -> Result<Frame<'t>, ExecError> {
        self.at = At::Call(call);
        let Some(list) = self.trees.get(&call.name) else {
            let name = super::quote::quote(&call.name);
            return Err(self.error(format_args!("template {name} not defined")));
        };
        if self.depth == MOST_TEMPLATES {
            return Err(self.error(format_args!(
                "exceeded maximum template depth ({MOST_TEMPLATES})"
            )));
        }
        let dot = match &call.pipe {
            Some(pipe) => self.eval_pipe(dot, pipe)?,
            None => Value::Nil.into(),
        };
        let mark = self.variables.len();
        let frame = Frame {
            nodes: list.0.iter(),
            dot: dot.clone(),
            mark,
            kind: Kind::Template {
                caller: self.name,
                base: self.base,
            },
        };
        self.name = &call.name;
        self.base = mark;
        self.depth += 1;
        self.declare(b"$", dot)?;
        Ok(frame)
    }

    fn declare(&mut self, name: &'t [u8], value: Operand) -> Result<(), ExecError> {
        if self.variables.len() >= MOST_OPEN {
            return Err(self.error(format_args!(
                "exceeded maximum number of variables ({MOST_OPEN})"
            )));
        }
        self.variables.push(Variable { name, value });
        Ok(())
    }

    /// Index of the variable called `name`.
    fn variable(&self, name: &Str) -> Result<usize, ExecError> {
        let visible = self.variables.get(self.base..).unwrap_or_default();
        match visible.iter().rposition(|variable| variable.name == name) {
            Some(index) => Ok(self.base + index),
            None => {
                let name = String::from_utf8_lossy(name);
                Err(self.error(format_args!("undefined variable: {name}")))
            }
        }
    }

    fn assign(&mut self, name: &Str, value: Operand) -> Result<(), ExecError> {
        let index = self.variable(name)?;
        self.variables[index].value = value;
        Ok(())
    }
}

/// Prints as an action does: at most a little longer than `limit`.
fn print(out: &mut Vec<u8>, limit: usize, value: &Value) {
    match value {
        Value::Nil => out.extend_from_slice(b"<no value>"),
        Value::String(text) => out.extend_from_slice(text),
        Value::Srv(_) => Printer::new(out, limit).print_pointed(value),
        _ => Printer::new(out, limit).print_arg(value, 'v'),
    }
}

fn block(list: &List, dot: Operand, mark: usize) -> Frame<'_> {
    Frame {
        nodes: list.0.iter(),
        dot,
        mark,
        kind: Kind::Block,
    }
}

/// Leaves what is open inside of the innermost `range`.
fn to_range(frames: &mut Vec<Frame<'_>>) {
    while frames
        .last()
        .is_some_and(|frame| !matches!(frame.kind, Kind::Range(_)))
    {
        frames.pop();
    }
}

/// The operand that an action consists of.
fn only_operand(pipe: &Pipe) -> Option<(&Expr, &ExprKind)> {
    match (pipe.decl.as_slice(), pipe.cmds.as_slice()) {
        ([], [command]) => match command.args.as_slice() {
            [expr] => Some((expr, &expr.kind)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
