//! confd's functions.

mod base64;
mod json;
mod map;
mod net;
mod number;
mod order;
pub(crate) mod path;
pub(crate) mod pattern;
mod srv;
mod store;
mod strings;
mod system;
pub mod time;
mod utf8;

pub use srv::srv_records;

use crate::template::function::{Function, Type};
use crate::template::value::Value;

use Type::{Any, Bool, Int, List, Map, Pair, PairSlice, Pairs, Srvs, Strings, Time};

/// confd's 39 functions.
pub static FUNCTIONS: &[Function] = &[
    Function::fixed("add", &[Int, Int], Int, number::add),
    Function::fixed("atoi", &[Type::String], Int, number::atoi),
    Function::fixed("base", &[Type::String], Type::String, path::base),
    Function::fixed(
        "base64Decode",
        &[Type::String],
        Type::String,
        base64::decode,
    ),
    Function::fixed(
        "base64Encode",
        &[Type::String],
        Type::String,
        base64::encode,
    ),
    Function::fixed("contains", &[Type::String; 2], Bool, strings::contains),
    Function::fixed("datetime", &[], Time, time::now),
    Function::fixed("dir", &[Type::String], Type::String, path::dir),
    Function::fixed("div", &[Int, Int], Int, number::div),
    Function::fixed("exists", &[Type::String], Bool, store::exists),
    Function::fixed("fileExists", &[Type::String], Bool, system::file_exists),
    Function::fixed("get", &[Type::String], Pair, store::get),
    Function::variadic("getenv", &[Type::String; 2], Type::String, system::getenv),
    Function::fixed("gets", &[Type::String], Pairs, store::gets),
    Function::variadic("getv", &[Type::String; 2], Type::String, store::getv),
    Function::fixed("getvs", &[Type::String], Strings, store::getvs),
    Function::fixed(
        "join",
        &[Strings, Type::String],
        Type::String,
        strings::join,
    ),
    Function::fixed("json", &[Type::String], Map, json::object),
    Function::fixed("jsonArray", &[Type::String], List, json::array),
    Function::fixed("lookupIP", &[Type::String], Strings, net::lookup_ip),
    Function::fixed("lookupIPV4", &[Type::String], Strings, net::lookup_ipv4),
    Function::fixed("lookupIPV6", &[Type::String], Strings, net::lookup_ipv6),
    Function::fixed("lookupSRV", &[Type::String; 3], Srvs, net::lookup_srv),
    Function::fixed("ls", &[Type::String], Strings, store::ls),
    Function::fixed("lsdir", &[Type::String], Strings, store::lsdir),
    Function::variadic("map", &[Any], Map, map::map),
    Function::fixed("mod", &[Int, Int], Int, number::modulo),
    Function::fixed("mul", &[Int, Int], Int, number::mul),
    Function::fixed("parseBool", &[Type::String], Bool, number::parse_bool),
    Function::fixed("replace", REPLACE, Type::String, strings::replace),
    Function::fixed("reverse", &[Any], Any, order::reverse),
    Function::fixed("seq", &[Int, Int], Type::Ints, number::seq),
    Function::fixed("sortByLength", &[Strings], Strings, order::sort_by_length),
    Function::fixed(
        "sortKVByLength",
        &[PairSlice],
        PairSlice,
        order::sort_kv_by_length,
    ),
    Function::fixed("split", &[Type::String; 2], Strings, strings::split),
    Function::fixed("sub", &[Int, Int], Int, number::sub),
    Function::fixed("toLower", &[Type::String], Type::String, strings::to_lower),
    Function::fixed("toUpper", &[Type::String], Type::String, strings::to_upper),
    Function::fixed(
        "trimSuffix",
        &[Type::String; 2],
        Type::String,
        strings::trim_suffix,
    ),
];

const REPLACE: &[Type] = &[Type::String, Type::String, Type::String, Int];

const MISTYPED: &str = "arguments of other types than declared";

/// What a function says to arguments that the evaluator should have refused.
fn mistyped() -> Result<Value, String> {
    Err(MISTYPED.to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
