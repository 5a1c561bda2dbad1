//! confd's functions.

mod net;
mod srv;
mod store;
mod system;
#[cfg(test)]
pub(crate) mod tests;

pub use srv::{SrvRecord, look_up_srv, srv_records};

use gotemplate::{Function, Type, library};

use crate::store::Store;

use Type::{Any, Bool, Int, List, Map, Pair, PairSlice, Pairs, Srvs, Strings, Time};

/// Functions that templates may call besides confd's; those of confd's names are not reached. They see
/// nothing but their arguments.
pub type Helpers = &'static [Function];

/// confd's 39 functions.
pub static FUNCTIONS: &[Function<Store>] = &[
    Function::fixed("add", &[Int, Int], Int, library::number::add),
    Function::fixed("atoi", &[Type::String], Int, library::number::atoi),
    Function::fixed("base", &[Type::String], Type::String, library::path::base),
    Function::fixed(
        "base64Decode",
        &[Type::String],
        Type::String,
        library::base64::decode,
    ),
    Function::fixed(
        "base64Encode",
        &[Type::String],
        Type::String,
        library::base64::encode,
    ),
    Function::fixed(
        "contains",
        &[Type::String; 2],
        Bool,
        library::strings::contains,
    ),
    Function::fixed("datetime", &[], Time, library::time::now),
    Function::fixed("dir", &[Type::String], Type::String, library::path::dir),
    Function::fixed("div", &[Int, Int], Int, library::number::div),
    Function::seeing("exists", &[Type::String], Bool, store::exists),
    Function::fixed("fileExists", &[Type::String], Bool, system::file_exists),
    Function::seeing("get", &[Type::String], Pair, store::get),
    Function::fixed("getenv", &[Type::String; 2], Type::String, system::getenv).variadic(),
    Function::seeing("gets", &[Type::String], Pairs, store::gets),
    Function::seeing("getv", &[Type::String; 2], Type::String, store::getv).variadic(),
    Function::seeing("getvs", &[Type::String], Strings, store::getvs),
    Function::fixed(
        "join",
        &[Strings, Type::String],
        Type::String,
        library::strings::join,
    ),
    Function::fixed("json", &[Type::String], Map, library::json::object),
    Function::fixed("jsonArray", &[Type::String], List, library::json::array),
    Function::fixed("lookupIP", &[Type::String], Strings, net::lookup_ip),
    Function::fixed("lookupIPV4", &[Type::String], Strings, net::lookup_ipv4),
    Function::fixed("lookupIPV6", &[Type::String], Strings, net::lookup_ipv6),
    Function::fixed("lookupSRV", &[Type::String; 3], Srvs, net::lookup_srv),
    Function::seeing("ls", &[Type::String], Strings, store::ls),
    Function::seeing("lsdir", &[Type::String], Strings, store::lsdir),
    Function::fixed("map", &[Any], Map, library::map::map).variadic(),
    Function::fixed("mod", &[Int, Int], Int, library::number::modulo),
    Function::fixed("mul", &[Int, Int], Int, library::number::mul),
    Function::fixed(
        "parseBool",
        &[Type::String],
        Bool,
        library::number::parse_bool,
    ),
    Function::fixed("replace", REPLACE, Type::String, library::strings::replace),
    Function::fixed("reverse", &[Any], Any, library::order::reverse),
    Function::fixed("seq", &[Int, Int], Type::Ints, library::number::seq),
    Function::fixed(
        "sortByLength",
        &[Strings],
        Strings,
        library::order::sort_by_length,
    ),
    Function::fixed(
        "sortKVByLength",
        &[PairSlice],
        PairSlice,
        library::order::sort_kv_by_length,
    ),
    Function::fixed(
        "split",
        &[Type::String; 2],
        Strings,
        library::strings::split,
    ),
    Function::fixed("sub", &[Int, Int], Int, library::number::sub),
    Function::fixed(
        "toLower",
        &[Type::String],
        Type::String,
        library::strings::to_lower,
    ),
    Function::fixed(
        "toUpper",
        &[Type::String],
        Type::String,
        library::strings::to_upper,
    ),
    Function::fixed(
        "trimSuffix",
        &[Type::String; 2],
        Type::String,
        library::strings::trim_suffix,
    ),
];

const REPLACE: &[Type] = &[Type::String, Type::String, Type::String, Int];
