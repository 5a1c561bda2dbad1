//! What executing a template may cost.

use std::time::{Duration, Instant};

use std::rc::Rc;

use super::{Exec, ExecError};
use crate::Str;
use crate::nested::{RED_ZONE, STACK};
use crate::options::Limits;
use crate::value::Value;

/// Steps between two looks at the clock.
const STEPS: u32 = 256;

/// Bytes of values that functions may make in all. A template that makes more is mistaken, for what
/// it writes is limited, too.
const MOST_MADE: usize = 1 << 30;

/// Depth of values in each other, as Go has it for JSON.
const DEEPEST: u32 = 10_000;

/// Bytes of a value that may have taken a while to make.
const LARGE: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Budget {
    /// Bytes that may be written.
    pub(super) output: usize,
    steps: u32,
    made: usize,
    time: Option<Duration>,
    deadline: Option<Instant>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            output: limits.output,
            steps: STEPS,
            made: 0,
            time: limits.time,
            deadline: limits
                .time
                .and_then(|time| Instant::now().checked_add(time)),
        }
    }
}

impl Budget {
    /// All that is left, for a part. So much has been written before it.
    pub(super) fn lend(&mut self, written: usize) -> Self {
        let lent = std::mem::take(self);
        Self {
            output: lent.output.saturating_sub(written),
            ..lent
        }
    }

    pub(super) fn take_back(&mut self, left: Self, written: usize) {
        *self = Self {
            output: left.output.saturating_add(written),
            ..left
        };
    }
}

impl Exec<'_> {
    /// After a list of nodes, or at a node that opens another.
    #[inline]
    pub(super) fn step(&mut self) -> Result<(), ExecError> {
        self.check_output()?;
        self.budget.steps -= 1;
        if self.budget.steps > 0 {
            return Ok(());
        }
        self.budget.steps = STEPS;
        self.check_time().map_err(|message| self.error(message))
    }

    #[inline]
    pub(super) fn check_output(&self) -> Result<(), ExecError> {
        let most = self.budget.output;
        if self.out.len() > most {
            return Err(self.error(format_args!("output exceeds {most} bytes")));
        }
        Ok(())
    }

    fn check_time(&self) -> Result<(), String> {
        match (self.budget.deadline, self.budget.time) {
            (Some(deadline), Some(time)) if Instant::now() > deadline => {
                Err(format!("took longer than {time:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Accounts for what a function made.
    pub(super) fn charge(&mut self, value: &Value) -> Result<(), String> {
        if value.depth() > DEEPEST {
            return Err(format!("exceeded maximum depth of values ({DEEPEST})"));
        }
        let cost = cost(value);
        self.budget.made += cost;
        if self.budget.made > MOST_MADE {
            return Err(format!("values exceed {MOST_MADE} bytes"));
        }
        if cost > LARGE {
            self.check_time()
        } else {
            Ok(())
        }
    }
}

/// Bytes that only `value` keeps in use, roughly.
fn cost(value: &Value) -> usize {
    const EACH: usize = size_of::<Value>();
    match value {
        Value::String(text) => unique_len(text),
        Value::Strings(items) if Rc::strong_count(items) == 1 => items
            .borrow()
            .iter()
            .map(|text| EACH + unique_len(text))
            .sum(),
        Value::Pairs(items) | Value::PairSlice(items) if Rc::strong_count(items) == 1 => {
            2 * EACH * items.borrow().len()
        }
        Value::Ints(items) if Rc::strong_count(items) == 1 => size_of::<i64>() * items.len(),
        Value::Srvs(items) if Rc::strong_count(items) == 1 => EACH * items.len(),
        Value::List(items) if Rc::strong_count(items) == 1 => {
            stacker::maybe_grow(RED_ZONE, STACK, || {
                items.iter().map(|item| EACH + cost(item)).sum()
            })
        }
        Value::Map(entries) if Rc::strong_count(entries) == 1 => {
            stacker::maybe_grow(RED_ZONE, STACK, || {
                entries
                    .iter()
                    .map(|(key, value)| 2 * EACH + key.len() + cost(value))
                    .sum()
            })
        }
        _ => 0,
    }
}

fn unique_len(text: &Str) -> usize {
    if text.is_unique() { text.len() } else { 0 }
}
