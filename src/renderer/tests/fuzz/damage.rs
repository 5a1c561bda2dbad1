//! Texts that were right once.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// `texts`, every other one with some of its bytes replaced by `pieces`.
pub(crate) fn damaged(
    texts: impl Strategy<Value = String>,
    pieces: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..3),
    ];
    let fault = (any::<Index>(), 0..6_usize, piece);
    let faults = prop_oneof![Just(Vec::new()), vec(fault, 1..4)];
    (texts, faults).prop_map(|(text, faults)| {
        let mut bytes = text.into_bytes();
        for (at, length, piece) in faults {
            let start = at.index(bytes.len() + 1);
            let end = bytes.len().min(start + length);
            bytes.splice(start..end, piece);
        }
        bytes
    })
}
