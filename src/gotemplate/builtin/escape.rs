//! `html`, `js` and `urlquery`.

use super::{LONGEST, Made, text};
use crate::Str;
use crate::fmt::Printer;
use crate::rune::{decode, is_print};
use crate::value::Value;

pub(super) fn html(args: &[Value]) -> Made {
    let plain = printed(args);
    text(|out| {
        for &byte in plain.iter().take(LONGEST) {
            match byte {
                b'"' => out.extend_from_slice(b"&#34;"),
                b'\'' => out.extend_from_slice(b"&#39;"),
                b'&' => out.extend_from_slice(b"&amp;"),
                b'<' => out.extend_from_slice(b"&lt;"),
                b'>' => out.extend_from_slice(b"&gt;"),
                0 => out.extend_from_slice("\u{fffd}".as_bytes()),
                _ => out.push(byte),
            }
        }
    })
}

/// For the inside of a string of JavaScript.
pub(super) fn js(args: &[Value]) -> Made {
    let plain = printed(args);
    text(|out| {
        let mut rest: &[u8] = &plain;
        while let Some((rune, size)) = decode(rest) {
            let (bytes, after) = rest.split_at(size);
            match rune {
                '\\' | '\'' | '"' => out.extend([b'\\', bytes[0]]),
                '\0'..' ' | '<' | '>' | '&' | '=' => {
                    out.extend_from_slice(format!("\\u{:04X}", u32::from(rune)).as_bytes());
                }
                _ if rune.is_ascii() || is_print(rune) => out.extend_from_slice(bytes),
                _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(rune)).as_bytes()),
            }
            rest = after;
        }
    })
}

/// For a value of a URL's query.
pub(super) fn urlquery(args: &[Value]) -> Made {
    let plain = printed(args);
    text(|out| {
        for &byte in plain.iter() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    out.push(byte);
                }
                b' ' => out.push(b'+'),
                _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            }
        }
    })
}

/// `args` as one text; what is nothing prints as in an action.
fn printed(args: &[Value]) -> Str {
    if let [Value::String(text)] = args {
        return text.clone();
    }
    let args: Vec<Value> = args.iter().map(printable).collect();
    let mut out = Vec::new();
    Printer::new(&mut out, LONGEST).print(&args);
    out.into()
}

fn printable(arg: &Value) -> Value {
    match arg {
        Value::Nil => Value::string("<no value>"),
        _ => arg.clone(),
    }
}
