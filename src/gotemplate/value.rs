//! The values that templates handle, each with the Go type that it stands for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

use super::nested::Nested;
use crate::Str;
use crate::types::Type;

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

/// An integer of any type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// Of a type with a sign.
    Signed(i64),
    /// Of a type without.
    Unsigned(u64),
}

/// A value. Cheap to clone: what can be large is shared.
#[derive(Clone, Debug)]
// Moved as whole words, which templates do all the time.
#[repr(u64)]
pub enum Value {
    /// No value: a missing key of a map, JSON's null, the dot of a whole template.
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint8`: a byte of a string
    Uint8(u8),
    /// `uint16`
    Uint16(u16),
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
    List(Rc<Nested<Vec<Value>>>),
    /// `map[string]interface {}`
    Map(Rc<Nested<BTreeMap<Str, Value>>>),
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
    Time(Rc<ZonedDateTime>),
    /// `time.Duration`, in nanoseconds
    Duration(i64),
    /// `time.Month`, from 1
    Month(u8),
    /// `time.Weekday`, Sunday is 0
    Weekday(u8),
    /// `*time.Location`
    Location(TimeZone),
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

    /// A `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        let depth = items.iter().map(Self::depth).max().unwrap_or(0);
        Self::List(Rc::new(Nested::new(items, depth)))
    }

    /// A `map[string]interface {}`.
    #[must_use]
    pub fn map(entries: BTreeMap<Str, Value>) -> Self {
        let depth = entries.values().map(Self::depth).max().unwrap_or(0);
        Self::Map(Rc::new(Nested::new(entries, depth)))
    }

    /// How many collections there are inside each other.
    #[must_use]
    pub fn depth(&self) -> u32 {
        match self {
            Self::List(items) => items.depth(),
            Self::Map(entries) => entries.depth(),
            _ => 0,
        }
    }

    /// Its type, or none for [`Value::Nil`].
    #[must_use]
    pub fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint8(_) => Type::Uint8,
            Self::Uint16(_) => Type::Uint16,
            Self::Int64(_) => Type::Int64,
            Self::Float(_) => Type::Float,
            Self::Complex(..) => Type::Complex,
            Self::String(_) => Type::String,
            Self::Strings(_) => Type::Strings,
            Self::Ints(_) => Type::Ints,
            Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
            Self::Pair(_) => Type::Pair,
            Self::Pairs(_) => Type::Pairs,
            Self::PairSlice(_) => Type::PairSlice,
            Self::Srv(_) => Type::Srv,
            Self::Srvs(_) => Type::Srvs,
            Self::Time(_) => Type::Time,
            Self::Duration(_) => Type::Duration,
            Self::Month(_) => Type::Month,
            Self::Weekday(_) => Type::Weekday,
            Self::Location(_) => Type::Location,
        })
    }

    /// The number, if it is an integer.
    #[must_use]
    pub fn integer(&self) -> Option<Integer> {
        match self {
            Self::Int(value) | Self::Int64(value) | Self::Duration(value) => {
                Some(Integer::Signed(*value))
            }
            Self::Month(value) | Self::Weekday(value) => Some(Integer::Signed((*value).into())),
            Self::Uint8(value) => Some(Integer::Unsigned((*value).into())),
            Self::Uint16(value) => Some(Integer::Unsigned((*value).into())),
            _ => None,
        }
    }

    /// Whether `if` takes it for true.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_)
            | Self::Uint8(_)
            | Self::Uint16(_)
            | Self::Int64(_)
            | Self::Duration(_)
            | Self::Month(_)
            | Self::Weekday(_) => !matches!(
                self.integer(),
                Some(Integer::Signed(0) | Integer::Unsigned(0))
            ),
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::String(_)
            | Self::Strings(_)
            | Self::Ints(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Pairs(_)
            | Self::PairSlice(_)
            | Self::Srvs(_) => !self.is_empty(),
            Self::Pair(_) | Self::Srv(_) | Self::Time(_) | Self::Location(_) => true,
        }
    }

    /// Whether it is a slice.
    #[must_use]
    pub fn is_slice(&self) -> bool {
        matches!(
            self,
            Self::Strings(_)
                | Self::Ints(_)
                | Self::List(_)
                | Self::Pairs(_)
                | Self::PairSlice(_)
                | Self::Srvs(_)
        )
    }

    /// How many elements, entries or bytes it has; none when it has no such.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Strings(items) => items.borrow().len(),
            Self::Ints(items) => items.len(),
            Self::List(items) => items.len(),
            Self::Map(entries) => entries.len(),
            Self::Pairs(items) | Self::PairSlice(items) => items.borrow().len(),
            Self::Srvs(items) => items.len(),
            _ => 0,
        }
    }

    /// Whether [`Value::len`] is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An element of a slice, or a byte of a string.
    #[inline]
    #[must_use]
    pub fn element(&self, index: usize) -> Option<Self> {
        match self {
            Self::String(text) => text.get(index).copied().map(Self::Uint8),
            Self::Strings(items) => items.borrow().get(index).cloned().map(Self::String),
            Self::Ints(items) => items.get(index).copied().map(Self::Int),
            Self::List(items) => items.get(index).cloned(),
            Self::Pairs(items) | Self::PairSlice(items) => items
                .borrow()
                .get(index)
                .cloned()
                .map(|pair| Self::Pair(Rc::new(pair))),
            Self::Srvs(items) => items.get(index).cloned().map(Self::Srv),
            _ => None,
        }
    }

    /// The names of the fields of a struct, or of the struct that a pointer points to.
    #[must_use]
    pub fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Pair(_) => &["Key", "Value"],
            Self::Srv(_) => &["Target", "Port", "Priority", "Weight"],
            _ => &[],
        }
    }

    /// Its field of that name.
    #[must_use]
    pub fn field(&self, name: &[u8]) -> Option<Self> {
        match (self, name) {
            (Self::Pair(pair), b"Key") => Some(Self::String(pair.key.clone())),
            (Self::Pair(pair), b"Value") => Some(Self::String(pair.value.clone())),
            (Self::Srv(srv), b"Target") => Some(Self::String(srv.target.clone())),
            (Self::Srv(srv), b"Port") => Some(Self::Uint16(srv.port)),
            (Self::Srv(srv), b"Priority") => Some(Self::Uint16(srv.priority)),
            (Self::Srv(srv), b"Weight") => Some(Self::Uint16(srv.weight)),
            _ => None,
        }
    }
}
