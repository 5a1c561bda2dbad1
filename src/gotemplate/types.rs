//! Go types, as far as templates meet them.

use std::fmt;

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
    /// `uint16`
    Uint16,
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
    /// `reflect.Value`: anything, also no value. For functions that look at types themselves.
    Value,
    /// That many results, of a method which templates can therefore not call.
    Results(u8),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Int64 => "int64",
            Self::Float => "float64",
            Self::Complex => "complex128",
            Self::String => "string",
            Self::Strings => "[]string",
            Self::Ints => "[]int",
            Self::List => "[]interface {}",
            Self::Map => "map[string]interface {}",
            Self::Pair => "memkv.KVPair",
            Self::Pairs => "memkv.KVPairs",
            Self::PairSlice => "[]memkv.KVPair",
            Self::Srv => "*net.SRV",
            Self::Srvs => "[]*net.SRV",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
            Self::Location => "*time.Location",
            Self::Value => "reflect.Value",
            Self::Results(_) => "func",
        })
    }
}
