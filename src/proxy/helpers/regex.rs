//! Regular expressions: without look-around and references back, in a time that grows with expression
//! times text.

mod compiled;
mod replacement;

use std::rc::Rc;
use std::time::{Duration, Instant};

use gotemplate::library::strings::check_length;
use gotemplate::library::{mistyped, utf8};
use gotemplate::{Str, Value};

use compiled::Compiled;
use replacement::Replacement;

/// As long as a whole template may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Whether the text has a match.
pub(super) fn is_match(args: &[Value]) -> Result<Value, String> {
    let [Value::String(regex), Value::String(text)] = args else {
        return mistyped();
    };
    let (compiled, text) = sound(regex, text)?;
    Ok(Value::Bool(compiled.regex.is_match(&text)))
}

/// The first match, or nothing.
pub(super) fn find(args: &[Value]) -> Result<Value, String> {
    let [Value::String(regex), Value::String(text)] = args else {
        return mistyped();
    };
    let (compiled, text) = sound(regex, text)?;
    let found = compiled
        .regex
        .find(&text)
        .map_or("", |found| found.as_str());
    Ok(Value::string(found.to_owned()))
}

/// The text with each match replaced; `$1` and `${name}` are what groups matched.
#[cfg_attr(
    not(test),
    expect(
        clippy::disallowed_methods,
        reason = "no loop: a render is in a thread of its own"
    )
)]
pub(super) fn replace_all(args: &[Value]) -> Result<Value, String> {
    let [
        Value::String(regex),
        Value::String(text),
        Value::String(with),
    ] = args
    else {
        return mistyped();
    };
    let (compiled, text) = sound(regex, text)?;
    let with = utf8::mended(with);
    let with = Replacement::parse(&with);
    let (mut out, mut end) = (String::new(), 0);
    let began_at = Instant::now();
    for groups in compiled.regex.captures_iter(&text) {
        let Some(whole) = groups.get(0) else { continue };
        out.push_str(text.get(end..whole.start()).unwrap_or_default());
        with.expand(&groups, &mut out)?;
        end = whole.end();
        if began_at.elapsed() > LONGEST {
            return Err(format!("took longer than {LONGEST:?}"));
        }
    }
    out.push_str(text.get(end..).unwrap_or_default());
    check_length(out.len())?;
    Ok(Value::string(out))
}

/// What is no UTF-8 counts as replacement characters.
fn sound(regex: &Str, text: &Str) -> Result<(Rc<Compiled>, String), String> {
    let compiled = Compiled::of(regex)?;
    let text = utf8::mended(text);
    compiled.check_length(text.len())?;
    Ok((compiled, text))
}

#[cfg(test)]
mod tests;
