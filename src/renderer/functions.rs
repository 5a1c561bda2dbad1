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

use crate::store::Store;
use crate::template::function::{Function, Type};
use crate::template::value::Value;

use Type::{Any, Bool, Int, List, Map, Pair, PairSlice, Pairs, Srvs, Strings, Time};

/// confd's 39 functions.
pub static FUNCTIONS: &[Function] = &[
    function("add", &[Int, Int], Int, number::add),
    function("atoi", &[Type::String], Int, number::atoi),
    function("base", &[Type::String], Type::String, path::base),
    function(
        "base64Decode",
        &[Type::String],
        Type::String,
        base64::decode,
    ),
    function(
        "base64Encode",
        &[Type::String],
        Type::String,
        base64::encode,
    ),
    function("contains", &[Type::String; 2], Bool, strings::contains),
    function("datetime", &[], Time, time::now),
    function("dir", &[Type::String], Type::String, path::dir),
    function("div", &[Int, Int], Int, number::div),
    function("exists", &[Type::String], Bool, store::exists),
    function("fileExists", &[Type::String], Bool, system::file_exists),
    function("get", &[Type::String], Pair, store::get),
    variadic("getenv", &[Type::String; 2], Type::String, system::getenv),
    function("gets", &[Type::String], Pairs, store::gets),
    variadic("getv", &[Type::String; 2], Type::String, store::getv),
    function("getvs", &[Type::String], Strings, store::getvs),
    function(
        "join",
        &[Strings, Type::String],
        Type::String,
        strings::join,
    ),
    function("json", &[Type::String], Map, json::object),
    function("jsonArray", &[Type::String], List, json::array),
    function("lookupIP", &[Type::String], Strings, net::lookup_ip),
    function("lookupIPV4", &[Type::String], Strings, net::lookup_ipv4),
    function("lookupIPV6", &[Type::String], Strings, net::lookup_ipv6),
    function("lookupSRV", &[Type::String; 3], Srvs, net::lookup_srv),
    function("ls", &[Type::String], Strings, store::ls),
    function("lsdir", &[Type::String], Strings, store::lsdir),
    variadic("map", &[Any], Map, map::map),
    function("mod", &[Int, Int], Int, number::modulo),
    function("mul", &[Int, Int], Int, number::mul),
    function("parseBool", &[Type::String], Bool, number::parse_bool),
    function("replace", REPLACE, Type::String, strings::replace),
    function("reverse", &[Any], Any, order::reverse),
    function("seq", &[Int, Int], Type::Ints, number::seq),
    function("sortByLength", &[Strings], Strings, order::sort_by_length),
    function(
        "sortKVByLength",
        &[PairSlice],
        PairSlice,
        order::sort_kv_by_length,
    ),
    function("split", &[Type::String; 2], Strings, strings::split),
    function("sub", &[Int, Int], Int, number::sub),
    function("toLower", &[Type::String], Type::String, strings::to_lower),
    function("toUpper", &[Type::String], Type::String, strings::to_upper),
    function(
        "trimSuffix",
        &[Type::String; 2],
        Type::String,
        strings::trim_suffix,
    ),
];

const REPLACE: &[Type] = &[Type::String, Type::String, Type::String, Int];

type Call = fn(&Store, &[Value]) -> Result<Value, String>;

const fn function(
    name: &'static str,
    params: &'static [Type],
    result: Type,
    call: Call,
) -> Function {
    Function {
        name,
        params,
        variadic: false,
        result,
        call,
    }
}

/// A function whose last parameter may be given any number of times.
const fn variadic(
    name: &'static str,
    params: &'static [Type],
    result: Type,
    call: Call,
) -> Function {
    let mut function = function(name, params, result, call);
    function.variadic = true;
    function
}

const MISTYPED: &str = "arguments of other types than declared";

/// What a function says to arguments that the evaluator should have refused.
fn mistyped() -> Result<Value, String> {
    Err(MISTYPED.to_owned())
}

#[cfg(test)]
mod tests;
