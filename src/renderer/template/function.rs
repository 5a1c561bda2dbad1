//! Functions and methods that templates can call.

use super::value::Value;
use crate::store::Store;

/// A Go type, as far as templates meet it. [`std::fmt::Display`] prints Go's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`
    Any,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint8`
    Uint8,
    /// `int64`
    Int64,
    /// `float64`
    Float,
    /// `complex128`
    Complex,
    /// `string`
    String,
    /// `[]string`
    Strings,
    /// `[]int`
    Ints,
    /// `[]interface {}`
    List,
    /// `map[string]interface {}`
    Map,
    /// `memkv.KVPair`
    Pair,
    /// `memkv.KVPairs`, which has the method `Len`
    Pairs,
    /// `[]memkv.KVPair`
    PairSlice,
    /// `*net.SRV`
    Srv,
    /// `[]*net.SRV`
    Srvs,
    /// `time.Time`
    Time,
    /// `time.Duration`
    Duration,
    /// `time.Month`
    Month,
    /// `time.Weekday`
    Weekday,
    /// `*time.Location`
    Location,
}

/// A function of a template, or a method: then the receiver is its first argument.
///
/// The evaluator has checked the arguments against `params` before `call` sees them.
#[derive(Debug)]
pub struct Function {
    /// As templates write it.
    pub name: &'static str,
    /// Types of the parameters.
    pub params: &'static [Type],
    /// Whether the last parameter may be given any number of times, also never.
    pub variadic: bool,
    /// Type of what it returns.
    pub result: Type,
    /// Does it. The error is Go's text, without `error calling …: `.
    pub call: fn(&Store, &[Value]) -> Result<Value, String>,
}
