//! Functions that templates may call besides confd's: sprig's, by sprig's names and in its order of
//! arguments. `docs/templates.md` has them all.

mod cases;
mod collections;
mod defaults;
mod digest;
mod json;
mod lines;
mod quoting;
mod regex;
mod strings;
#[cfg(test)]
mod tests;

use gotemplate::{Function, Type};

use Type::{Any, Bool, Int, List, Map, String as Text, Strings};

/// Sprig's functions.
pub static HELPERS: &[Function] = &[
    Function::fixed("append", &[Any, Any], List, collections::append),
    Function::fixed("camelcase", &[Text], Text, cases::camelcase),
    Function::fixed("coalesce", &[Any], Any, defaults::coalesce).variadic(),
    Function::fixed("default", &[Any, Any], Any, defaults::default).variadic(),
    Function::fixed("dict", &[Any], Map, collections::dict).variadic(),
    Function::fixed("empty", &[Any], Bool, defaults::empty),
    Function::fixed("fromJson", &[Text], Any, json::from_json),
    Function::fixed("hasKey", &[Map, Text], Bool, collections::has_key),
    Function::fixed("indent", &[Int, Text], Text, lines::indent),
    Function::fixed("kebabcase", &[Text], Text, cases::kebabcase),
    Function::fixed("keys", &[Map], Strings, collections::keys).variadic(),
    Function::fixed("list", &[Any], List, collections::list).variadic(),
    Function::fixed("nindent", &[Int, Text], Text, lines::nindent),
    Function::fixed("nospace", &[Text], Text, strings::nospace),
    Function::fixed("pluck", &[Text, Map], List, collections::pluck).variadic(),
    Function::fixed("quote", &[Any], Text, quoting::quote).variadic(),
    Function::fixed("regexFind", &[Text; 2], Text, regex::find),
    Function::fixed("regexMatch", &[Text; 2], Bool, regex::is_match),
    Function::fixed("regexReplaceAll", &[Text; 3], Text, regex::replace_all),
    Function::fixed("repeat", &[Int, Text], Text, strings::repeat),
    Function::fixed("sha256sum", &[Text], Text, digest::sha256sum),
    Function::fixed("snakecase", &[Text], Text, cases::snakecase),
    Function::fixed("squote", &[Any], Text, quoting::squote).variadic(),
    Function::fixed("ternary", &[Any, Any, Bool], Any, defaults::ternary),
    Function::fixed("toJson", &[Any], Text, json::to_json),
    Function::fixed("toPrettyJson", &[Any], Text, json::to_pretty_json),
    Function::fixed("trimPrefix", &[Text; 2], Text, strings::trim_prefix),
    Function::fixed("values", &[Map], List, collections::values),
];
