//! The methods of values.

use super::function::Function;
use super::value::{KVPair, Shared, Value};
use crate::Str;
use crate::library::time::{
    DURATION_METHODS, LOCATION_METHODS, MONTH_METHODS, TIME_METHODS, WEEKDAY_METHODS,
};
use crate::types::Type;

/// Methods of `memkv.KVPairs`, which Go's package `sort` asks for.
static PAIRS_METHODS: &[Function] = &[
    Function::fixed("Len", &[Type::Pairs], Type::Int, len),
    Function::fixed(
        "Less",
        &[Type::Pairs, Type::Int, Type::Int],
        Type::Bool,
        less,
    ),
    Function::fixed(
        "Swap",
        &[Type::Pairs, Type::Int, Type::Int],
        Type::Results(0),
        len,
    ),
];

impl Value {
    /// Its method of that name.
    #[must_use]
    pub fn method(&self, name: &[u8]) -> Option<&'static Function> {
        let methods = match self {
            Self::Pairs(_) => PAIRS_METHODS,
            Self::Time(_) => TIME_METHODS,
            Self::Duration(_) => DURATION_METHODS,
            Self::Month(_) => MONTH_METHODS,
            Self::Weekday(_) => WEEKDAY_METHODS,
            Self::Location(_) => LOCATION_METHODS,
            _ => return None,
        };
        methods
            .iter()
            .find(|method| method.signature().name.as_bytes() == name)
    }

    /// What its method `name` returns, when it has that and it takes nothing and makes a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Str> {
        let method = self.method(name.as_bytes())?;
        match method.call(&(), std::slice::from_ref(self)) {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

fn len(args: &[Value]) -> Result<Value, String> {
    let len = args.first().map_or(0, Value::len);
    Ok(Value::Int(i64::try_from(len).unwrap_or(i64::MAX)))
}

fn less(args: &[Value]) -> Result<Value, String> {
    let [Value::Pairs(pairs), Value::Int(i), Value::Int(j)] = args else {
        return Err("Less compares two pairs".to_owned());
    };
    Ok(Value::Bool(key(pairs, *i)? < key(pairs, *j)?))
}

fn key(pairs: &Shared<KVPair>, index: i64) -> Result<Str, String> {
    let pairs = pairs.borrow();
    let pair = usize::try_from(index)
        .ok()
        .and_then(|index| pairs.get(index));
    pair.map(|pair| pair.key.clone()).ok_or_else(|| {
        let len = pairs.len();
        format!("runtime error: index out of range [{index}] with length {len}")
    })
}
