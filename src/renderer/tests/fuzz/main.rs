//! Whatever it is given, the renderer answers: with a result or an error, in time and within its
//! limits. `PROPTEST_CASES` says how many cases to try of each kind.

mod damage;
mod extremes;
mod render;
mod resource;
mod store;
mod template;
