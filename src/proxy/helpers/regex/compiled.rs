//! Expressions that were compiled before: most templates have few, and use each for many values.

use std::cell::RefCell;
use std::rc::Rc;

use gotemplate::{Str, quote};
use regex_lite::{Regex, RegexBuilder};

/// Bytes that an expression may take up once it is compiled.
const LARGEST: usize = 256 * 1024;

/// Most are smaller.
const SMALL: usize = 4 * 1024;

/// Bytes of an expression times bytes of a text that take some ten seconds at worst.
const MOST_WORK: usize = 32 << 30;

/// How many are kept in each thread.
const KEPT: usize = 16;

/// An expression, and how much it may be asked to do.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) regex: Regex,
    longest: usize,
}

thread_local! {
    /// The last used comes last.
    static USED: RefCell<Vec<(Str, Rc<Compiled>)>> = const { RefCell::new(Vec::new()) };
}

impl Compiled {
    /// The expression, which may have been compiled before.
    pub(super) fn of(text: &Str) -> Result<Rc<Self>, String> {
        USED.with_borrow_mut(|used| {
            let compiled = match used.iter().position(|(known, _)| known == text) {
                Some(index) => used.remove(index).1,
                None => Rc::new(Self::new(text)?),
            };
            if used.len() >= KEPT {
                used.remove(0);
            }
            // Not a part of something larger, which would be kept as well.
            used.push((Str::copy_from_slice(text), Rc::clone(&compiled)));
            Ok(compiled)
        })
    }

    fn new(text: &Str) -> Result<Self, String> {
        let fault = |reason: String| format!("regular expression {}: {reason}", shown(text));
        let text = str::from_utf8(text).map_err(|error| fault(error.to_string()))?;
        let mut size = SMALL;
        loop {
            match RegexBuilder::new(text).size_limit(size).build() {
                Ok(regex) => {
                    let longest = MOST_WORK / size;
                    return Ok(Self { regex, longest });
                }
                Err(error) if size == LARGEST => return Err(fault(error.to_string())),
                Err(_) => size *= 2,
            }
        }
    }

    /// Refuses a text that would take too long.
    pub(super) fn check_length(&self, length: usize) -> Result<(), String> {
        if length > self.longest {
            let regex = shown(self.regex.as_str().as_bytes());
            let most = self.longest;
            return Err(format!(
                "regular expression {regex}: takes texts of {most} bytes at most, not of {length}"
            ));
        }
        Ok(())
    }
}

/// As much as helps to find it.
fn shown(regex: &[u8]) -> String {
    const MUCH: usize = 200;
    match regex.get(..MUCH) {
        Some(start) => quote::quote(start) + "…",
        None => quote::quote(regex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_used_are_kept() {
        let text = |number: usize| Str::from(format!("a{number}"));
        let first = Compiled::of(&text(0)).unwrap();
        for number in 1..KEPT {
            Compiled::of(&text(number)).unwrap();
        }
        assert!(Rc::ptr_eq(&first, &Compiled::of(&text(0)).unwrap()));
        for number in 1..=KEPT {
            Compiled::of(&text(number)).unwrap();
        }
        assert!(!Rc::ptr_eq(&first, &Compiled::of(&text(0)).unwrap()));
        USED.with_borrow(|used| assert_eq!(used.len(), KEPT));
    }

    #[test]
    fn the_larger_an_expression_the_shorter_its_texts() {
        let longest = |regex: &'static str| Compiled::of(&regex.into()).unwrap().longest;
        assert_eq!(longest("^[0-9.]+:[0-9]+$"), 8 << 20);
        assert!(longest("^[a-z0-9-]{1,63}$") > 1_500_000);
        assert_eq!(longest("(a?){1000}"), 128 << 10);
    }
}
