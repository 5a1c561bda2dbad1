//! Executes a part, whose output is a value of the template that includes it.

use super::{Exec, ExecError};
use crate::Str;
use crate::nested::{RED_ZONE, STACK};
use crate::parts::DEEPEST;
use crate::value::Value;

impl Exec<'_> {
    /// What the part makes of `dot`. It has variables and templates of its own, and one budget with all.
    pub(super) fn include(&mut self, name: &Str, dot: Value) -> Result<Value, ExecError> {
        let Some(trees) = self.parts.get(name) else {
            let name = crate::quote::quote(name);
            return Err(self.error(format_args!("include: there is no part {name}")));
        };
        if self.parts_open == DEEPEST {
            return Err(self.error(format_args!(
                "include: more than {DEEPEST} parts inside each other"
            )));
        }
        let mut part = Exec::of(trees, self.caller, self.parts, self.missing_key);
        part.parts_open = self.parts_open + 1;
        let written = self.out.len();
        part.budget = self.budget.lend(written);
        let done = stacker::maybe_grow(RED_ZONE, STACK, || part.execute(&dot));
        self.budget.take_back(part.budget, written);
        done?;
        Ok(Value::string(part.out))
    }
}
