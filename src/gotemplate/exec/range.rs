//! `{{range}}`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::slice;

use super::{Exec, ExecError, Frame, Kind, Operand, block};
use crate::Str;
use crate::fmt::format;
use crate::nested::Nested;
use crate::node::{Branch, List, Node, Pipe};
use crate::value::Value;

/// A `range` between two of its rounds.
pub(super) struct Iteration<'t> {
    pipe: &'t Pipe,
    list: &'t List,
    over: Over,
    /// How many variables there are before the body declares any.
    mark: usize,
}

impl<'t> Iteration<'t> {
    pub(super) fn body(&self) -> slice::Iter<'t, Node> {
        self.list.0.iter()
    }
}

enum Over {
    /// A slice, and the index of the element that is next.
    Slice(Value, usize),
    /// Entries after that key.
    Map(Rc<Nested<BTreeMap<Str, Value>>>, Option<Str>),
    /// The number that is next, and the first that is too large.
    Count(i64, i64),
}

impl Over {
    /// The next element.
    fn next(&mut self) -> Option<Operand> {
        match self {
            Self::Slice(slice, next) => {
                let value = slice.element(*next)?;
                *next += 1;
                let is_interface = matches!(slice, Value::List(_));
                Some(Operand {
                    value,
                    is_interface,
                })
            }
            Self::Map(entries, last) => {
                let after = last.take().map_or(Bound::Unbounded, Bound::Excluded);
                let (key, value) = entries.range((after, Bound::Unbounded)).next()?;
                *last = Some(key.clone());
                Some(Operand::interface(value.clone()))
            }
            Self::Count(next, end) => {
                let number = *next;
                *next += 1;
                (number < *end).then(|| Value::Int(number).into())
            }
        }
    }

    /// Key of the element that [`Over::next`] gave last.
    fn key(&self) -> Value {
        match self {
            Self::Slice(_, next) => Value::Int(i64::try_from(next - 1).unwrap_or(i64::MAX)),
            Self::Map(_, last) => last.clone().map_or(Value::Nil, Value::String),
            Self::Count(..) => Value::Nil,
        }
    }
}

impl<'t> Exec<'t> {
    pub(super) fn range(
        &mut self,
        dot: &Operand,
        branch: &'t Branch,
    ) -> Result<Option<Frame<'t>>, ExecError> {
        let mark = self.variables.len();
        let Some((pipe, list)) = branch.arms.first() else {
            return Ok(None);
        };
        let value = self.eval_pipe(dot, pipe)?.value;
        let mut iteration = Box::new(Iteration {
            pipe,
            list,
            over: self.over(value, pipe)?,
            mark: self.variables.len(),
        });
        if let Some(dot) = self.iterate(&mut iteration)? {
            return Ok(Some(Frame {
                nodes: iteration.body(),
                dot,
                mark,
                kind: Kind::Range(iteration),
            }));
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

    fn over(&self, value: Value, pipe: &Pipe) -> Result<Over, ExecError> {
        match value {
            Value::Nil => Ok(Over::Count(0, 0)),
            Value::Map(entries) => Ok(Over::Map(entries, None)),
            Value::Int(_) if pipe.decl.len() > 1 => Err(self.error(format_args!(
                "can't use {} to iterate over more than one variable",
                format('v', &value)
            ))),
            Value::Int(count) => Ok(Over::Count(0, count)),
            _ if value.is_slice() => Ok(Over::Slice(value, 0)),
            _ => Err(self.error(format_args!(
                "range can't iterate over {}",
                format('v', &value)
            ))),
        }
    }

    /// Begins the next round, whose dot is returned.
    pub(super) fn iterate(
        &mut self,
        iteration: &mut Iteration<'t>,
    ) -> Result<Option<Operand>, ExecError> {
        self.variables.truncate(iteration.mark);
        let Some(element) = iteration.over.next() else {
            return Ok(None);
        };
        match iteration.pipe.decl.as_slice() {
            [] => {}
            [name] => self.set(iteration, name, 1, element.clone())?,
            [key_name, name, ..] => {
                self.set(iteration, key_name, 2, iteration.over.key().into())?;
                self.set(iteration, name, 1, element.clone())?;
            }
        }
        Ok(Some(element))
    }

    /// Sets a variable of the `range`: the one that it declared, `from_top` of the stack, or the
    /// one that it assigns to.
    fn set(
        &mut self,
        iteration: &Iteration<'t>,
        name: &Str,
        from_top: usize,
        value: Operand,
    ) -> Result<(), ExecError> {
        if iteration.pipe.is_assign {
            self.assign(name, value)?;
        } else if let Some(variable) = self.variables.get_mut(iteration.mark - from_top) {
            variable.value = value;
        }
        Ok(())
    }
}
