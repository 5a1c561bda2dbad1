//! Go's `text/template` for Rust.
//!
//! The language as Go 1.19 has it (and what newer Go adds: `break`, `continue`, `else with`, ranges over
//! integers): its own functions, `fmt`'s verbs, how values print, what is refused when parsing, and
//! errors in Go's words with their position. It is held to Go's own answers, which are recorded. Strings
//! are bytes, as in Go.
//!
//! [`library`] has functions of Go's library that templates like to call: strings, paths, time, JSON,
//! base64, numbers. None is there unless the caller registers it, under whatever name; nor does a
//! template see anything but its data and what the caller's functions let it see. Executing one is
//! limited in output and time ([`Limits`]), and does not run out of stack, however deeply it nests.
//!
//! # Example
//!
//! ```
//! use gotemplate::{Delims, Function, Options, Template, Type, Value, library};
//!
//! /// What the functions see.
//! struct Site {
//!     domain: &'static str,
//! }
//!
//! static FUNCTIONS: &[Function<Site>] = &[
//!     // Of Go's library, under a name of our choice.
//!     Function::fixed("upper", &[Type::String], Type::String, library::strings::to_upper),
//!     // One of our own.
//!     Function::seeing("fqdn", &[Type::String], Type::String, |site, args| match args {
//!         [Value::String(host)] => {
//!             let host = String::from_utf8_lossy(host);
//!             Ok(Value::string(format!("{host}.{}", site.domain)))
//!         }
//!         _ => Err("a host is a string".to_owned()),
//!     }),
//! ];
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"{{range .}}server {{fqdn . | printf "%q"}}; # {{upper .}}
//! {{end}}"#;
//! let template = Template::parse("site.tmpl", text, &Delims::default(), FUNCTIONS)?;
//! let hosts = Value::strings(vec!["web1".into(), "web2".into()]);
//! let site = Site { domain: "example.net" };
//! assert_eq!(
//!     String::from_utf8(template.execute(&hosts, &site, &Options::default())?)?,
//!     "server \"web1.example.net\"; # WEB1\nserver \"web2.example.net\"; # WEB2\n"
//! );
//!
//! // Errors are Go's, with their place.
//! let error = template.execute(&Value::Int(-7), &site, &Options::default());
//! assert_eq!(error?, b"");
//! let wrong = Template::parse("t", "{{fqdn 1}}", &Delims::default(), FUNCTIONS)?;
//! let error = wrong.execute(&Value::Nil, &site, &Options::default()).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "template: t:1:7: executing \"t\" at <1>: expected string; found 1"
//! );
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod builtin;
mod exec;
mod fmt;
mod function;
mod lex;
pub mod library;
mod method;
mod nested;
mod node;
mod options;
mod parse;
mod parts;
pub mod quote;
pub mod rune;
mod template;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use exec::ExecError;
pub use function::{Function, Pure, Seeing, Signature};
pub use nested::Nested;
pub use options::{Limits, MissingKey, Options};
pub use parse::{Delims, ParseError};
pub use template::Template;
pub use types::Type;
pub use value::{Integer, KVPair, Shared, Srv, Value};

/// A string as Go has it: bytes, mostly UTF-8. Cheap to clone and to slice.
pub type Str = bytes::Bytes;
