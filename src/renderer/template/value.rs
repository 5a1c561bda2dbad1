//! The values that templates handle, each with the Go type that it stands for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::Str;

/// A slice that `reverse` and `sortByLength` change in place, as in Go.
pub type Shared<T> = Rc<RefCell<Vec<T>>>;

/// One key and its value: `memkv.KVPair`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KVPair {
    /// The key, without the resource's prefix.
    pub key: Str,
    /// Its value.
    pub value: Str,
}

/// One answer to `lookupSRV`: `net.SRV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Host name with a final dot.
    pub target: Str,
    /// TCP or UDP port.
    pub port: u16,
    /// Lower goes first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
}

/// A value. Cheap to clone: what can be large is shared.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value: a missing key of a map, JSON's null, the dot of a whole template.
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint8`: a byte of a string
    Uint8(u8),
    /// `int64`
    Int64(i64),
    /// `float64`
    Float(f64),
    /// `complex128`
    Complex(f64, f64),
    /// `string`
    String(Str),
    /// `[]string`
    Strings(Shared<Str>),
    /// `[]int`
    Ints(Rc<[i64]>),
    /// `[]interface {}`
    List(Rc<[Value]>),
    /// `map[string]interface {}`
    Map(Rc<BTreeMap<Str, Value>>),
    /// `memkv.KVPair`
    Pair(Rc<KVPair>),
    /// `memkv.KVPairs`
    Pairs(Shared<KVPair>),
    /// `[]memkv.KVPair`
    PairSlice(Shared<KVPair>),
    /// `*net.SRV`
    Srv(Rc<Srv>),
    /// `[]*net.SRV`
    Srvs(Rc<[Rc<Srv>]>),
    /// `time.Time`
    Time(Rc<jiff::ZonedDateTime>),
    /// `time.Duration`, in nanoseconds
    Duration(i64),
    /// `time.Month`, from 1
    Month(u8),
    /// `time.Weekday`, Sunday is 0
    Weekday(u8),
}

impl Value {
    /// A `string`.
    #[must_use]
    pub fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// A `[]string`.
    #[must_use]
    pub fn strings(items: Vec<Str>) -> Self {
        Self::Strings(Rc::new(RefCell::new(items)))
    }
}
