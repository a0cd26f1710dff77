//! Components written by hand: the [`Guest`] that tests of the sandbox fill in, and the [`corpus`] of attacks.

mod corpus;
mod frame;

pub use self::corpus::{Attack, CorpusError, Expect, Means, Told, corpus};
pub use self::frame::{ANSWER, DATA, Guest, answer};
