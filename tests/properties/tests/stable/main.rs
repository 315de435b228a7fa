//! The properties without a fuzzer: over the committed corpus, and over a bounded number of made-up inputs.

mod corpus;
mod made_up;
