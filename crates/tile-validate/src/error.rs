//! What stops a validation; what is wrong with a tile is a finding.

/// Why tiles could not be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The products database does not answer: no verdict is made up without it.
    #[error("cannot look the tiles up in the products database")]
    Database(#[from] products_db::Error),
    /// A threshold that is no number, or contradicts another.
    #[error("the rule `{name}` has the value {value}, which is not {expected}")]
    Rules {
        /// The field of [`Rules`](crate::Rules).
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it has to be.
        expected: &'static str,
    },
}
