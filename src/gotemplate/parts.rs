//! Parts of a template in files of their own: `{{include "part" .}}`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::Str;
use crate::function::{Callee, Function, Target};
use crate::node::{Expr, ExprKind, Pos};
use crate::parse::{self, Delims, ParseError, Trees};
use crate::types::Type;
use crate::value::Value;

pub(crate) const NAME: &[u8] = b"include";

/// How many may be inside each other.
pub(crate) const DEEPEST: usize = 8;

/// The parsed parts, by the names that they are included by.
pub(crate) type Parts = BTreeMap<Str, Trees>;

/// The evaluator does not call it, but executes the part.
static INCLUDE: Function =
    Function::fixed("include", &[Type::String, Type::Any], Type::String, never);

fn never(_: &[Value]) -> Result<Value, String> {
    Err("only a template can include a part".to_owned())
}

pub(crate) fn include() -> Callee {
    Callee {
        signature: INCLUDE.signature(),
        target: Target::Include,
    }
}

/// A use of a part.
#[derive(Clone, Debug)]
pub(crate) struct Inclusion {
    pub(crate) pos: Pos,
    pub(crate) name: Str,
}

/// The part that a command includes, if it does that. An error if its name is not written there.
pub(crate) fn included(args: &[Expr]) -> Option<Result<Inclusion, &'static str>> {
    let [first, others @ ..] = args else {
        return None;
    };
    let is_include = matches!(
        first.kind,
        ExprKind::Function(Callee {
            target: Target::Include,
            ..
        })
    );
    is_include.then(|| match others.first().map(|name| &name.kind) {
        Some(ExprKind::String { text, .. }) => Ok(Inclusion {
            pos: first.pos,
            name: text.clone(),
        }),
        Some(_) | None => Err("include: write the part's name as a string"),
    })
}

/// Parses all parts that `trees` and they themselves include.
pub(crate) fn parse_all(
    trees: &Trees,
    delims: &Delims,
    functions: &dyn Fn(&[u8]) -> Option<Callee>,
    find: &mut dyn FnMut(&str) -> Result<Str, String>,
) -> Result<Parts, ParseError> {
    let mut parts = Parts::new();
    let mut wanted = trees.located_inclusions();
    while let Some((place, name)) = wanted.pop() {
        if parts.contains_key(&name) {
            continue;
        }
        let shown = String::from_utf8_lossy(&name);
        let text = find(&shown)
            .map_err(|why| ParseError::at(&place, &format!("include {shown:?}: {why}")))?;
        let part = parse::parse(&shown, text, delims, functions)?;
        wanted.extend(part.located_inclusions());
        parts.insert(name, part);
    }
    Ok(parts)
}
