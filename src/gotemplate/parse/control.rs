//! Text and actions: what decides where the output comes from.

use std::mem;

use super::{ParseError, Parser, Tree};
use crate::Str;
use crate::lex::{Item, Kind};
use crate::node::{Branch, Call, List, Node};
use crate::quote::quote;

/// What comes next in a list.
enum Part {
    Node(Node),
    Stop(Stop),
}

/// What ends a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    End,
    Else,
    /// `{{else` before an `if`, which is not taken yet.
    ElseIf,
    /// `{{else` before a `with`, which is not taken yet.
    ElseWith,
}

impl Parser<'_> {
    /// The whole file. Only here may there be definitions.
    pub(super) fn file(&mut self) -> Result<(), ParseError> {
        let mut nodes = Vec::new();
        loop {
            let item = self.next();
            if item.kind == Kind::Eof {
                break;
            }
            if item.kind == Kind::LeftDelim && self.peek_non_space().kind == Kind::Define {
                self.next();
                self.definition()?;
                continue;
            }
            self.back_up(item);
            match self.text_or_action()? {
                Part::Node(node) => nodes.push(node),
                Part::Stop(stop) => return Err(self.misplaced(stop, "")),
            }
        }
        self.add(Str::copy_from_slice(self.name.as_bytes()), List(nodes))
    }

    fn definition(&mut self) -> Result<(), ParseError> {
        const CONTEXT: &str = "define clause";
        let outer = self.begin_tree();
        let item = self.next_non_space();
        let name = self.template_name(item, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let (list, stop) = self.list()?;
        if stop != Stop::End {
            return Err(self.misplaced(stop, " in define clause"));
        }
        self.add(name, list)?;
        self.tree = outer;
        Ok(())
    }

    fn list(&mut self) -> Result<(List, Stop), ParseError> {
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Part::Node(node) => nodes.push(node),
                Part::Stop(stop) => return Ok((List(nodes), stop)),
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Result<Part, ParseError> {
        let item = self.next_non_space();
        match item.kind {
            Kind::Text => Ok(Part::Node(Node::Text(self.value(item)))),
            Kind::LeftDelim => {
                self.tree.action_line = Some(item.line);
                let part = self.action()?;
                self.tree.action_line = None;
                Ok(part)
            }
            _ => Err(self.unexpected(item, "input")),
        }
    }

    fn action(&mut self) -> Result<Part, ParseError> {
        let item = self.next_non_space();
        let node = match item.kind {
            Kind::Block => Node::Template(self.block()?),
            Kind::Break => {
                self.loop_control("{{break}}")?;
                Node::Break
            }
            Kind::Continue => {
                self.loop_control("{{continue}}")?;
                Node::Continue
            }
            Kind::Else => return self.else_control().map(Part::Stop),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Part::Stop(Stop::End));
            }
            Kind::If => Node::If(self.branch(item.kind, "if")?),
            Kind::Range => Node::Range(self.branch(item.kind, "range")?),
            Kind::Template => Node::Template(self.call()?),
            Kind::With => Node::With(self.branch(item.kind, "with")?),
            _ => {
                self.back_up(item);
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Part::Node(node))
    }

    fn branch(&mut self, keyword: Kind, context: &str) -> Result<Branch, ParseError> {
        let visible = self.tree.vars.len();
        let branch = self.nested(|parser| parser.arms(keyword, context))?;
        self.tree.vars.truncate(visible);
        Ok(branch)
    }

    fn arms(&mut self, keyword: Kind, context: &str) -> Result<Branch, ParseError> {
        let mut arms = Vec::new();
        let otherwise = loop {
            let pipe = self.pipeline(context, Kind::RightDelim)?;
            let (list, stop) = self.body(keyword)?;
            arms.push((pipe, list));
            match (keyword, stop) {
                (_, Stop::End) => break None,
                (Kind::If, Stop::ElseIf) | (Kind::With, Stop::ElseWith) => self.next(),
                (_, Stop::ElseWith) => return Err(self.misplaced(stop, "")),
                (_, Stop::Else | Stop::ElseIf) => break Some(self.otherwise()?),
            };
        };
        Ok(Branch { arms, otherwise })
    }

    fn body(&mut self, keyword: Kind) -> Result<(List, Stop), ParseError> {
        let depth = usize::from(keyword == Kind::Range);
        self.tree.range_depth += depth;
        let body = self.list()?;
        self.tree.range_depth -= depth;
        Ok(body)
    }

    fn otherwise(&mut self) -> Result<List, ParseError> {
        match self.list()? {
            (list, Stop::End) => Ok(list),
            (_, stop @ Stop::ElseWith) => Err(self.misplaced(stop, "")),
            (_, Stop::Else | Stop::ElseIf) => Err(self.error("expected end; found {{else}}")),
        }
    }

    fn else_control(&mut self) -> Result<Stop, ParseError> {
        match self.peek_non_space().kind {
            Kind::If => Ok(Stop::ElseIf),
            Kind::With => Ok(Stop::ElseWith),
            _ => self.expect(Kind::RightDelim, "else").map(|_| Stop::Else),
        }
    }

    fn misplaced(&mut self, stop: Stop, context: &str) -> ParseError {
        let what = match stop {
            Stop::End => "{{end}}",
            Stop::Else | Stop::ElseIf => "{{else}}",
            Stop::ElseWith => {
                let with = self.peek();
                return self.unexpected(with, "else");
            }
        };
        self.error(format!("unexpected {what}{context}"))
    }

    fn loop_control(&mut self, keyword: &str) -> Result<(), ParseError> {
        self.expect(Kind::RightDelim, keyword)?;
        if self.tree.range_depth == 0 {
            return Err(self.error(format!("{keyword} outside {{{{range}}}}")));
        }
        Ok(())
    }

    fn call(&mut self) -> Result<Call, ParseError> {
        const CONTEXT: &str = "template clause";
        let item = self.next_non_space();
        let name = self.template_name(item, CONTEXT)?;
        let next = self.next_non_space();
        if next.kind == Kind::RightDelim {
            return Ok(Call {
                pos: item.start,
                name,
                pipe: None,
            });
        }
        self.back_up(next);
        let pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        Ok(Call {
            pos: item.start,
            name,
            pipe,
        })
    }

    fn block(&mut self) -> Result<Call, ParseError> {
        const CONTEXT: &str = "block clause";
        let item = self.next_non_space();
        let name = self.template_name(item, CONTEXT)?;
        let pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        let outer = self.begin_tree();
        let (list, stop) = self.nested(Self::list)?;
        if stop != Stop::End {
            // On the line of what the block was opened with, as in Go.
            self.tree.line = outer.line;
            return Err(self.misplaced(stop, " in block clause"));
        }
        self.add(name.clone(), list)?;
        self.tree = outer;
        Ok(Call {
            pos: item.start,
            name,
            pipe,
        })
    }

    fn template_name(&self, item: Item, context: &str) -> Result<Str, ParseError> {
        match item.kind {
            Kind::String | Kind::RawString => self.unquoted(item),
            _ => Err(self.unexpected(item, context)),
        }
    }

    /// The tree to go on with when the new one is complete.
    fn begin_tree(&mut self) -> Tree {
        let line = self.tree.line;
        mem::replace(
            &mut self.tree,
            Tree {
                line,
                ..Tree::default()
            },
        )
    }

    /// A template may be defined a second time when one of both is empty.
    fn add(&mut self, name: Str, list: List) -> Result<(), ParseError> {
        match self.trees.get_mut(&name) {
            Some(tree) if tree.is_empty() => *tree = list,
            Some(_) if !list.is_empty() => {
                let name = quote(&name);
                return Err(self.error(format!("template: multiple definition of template {name}")));
            }
            Some(_) => {}
            None => {
                self.trees.insert(name, list);
            }
        }
        Ok(())
    }
}
