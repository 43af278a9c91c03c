//! What keeps visibilities from being flagged.

/// What keeps visibilities from being flagged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arrays do not have the lengths that their shape says.
    #[error("{what} has {found} values; {shape:?} [time, channel, correlation] needs {needed}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The shape that was said.
        shape: [usize; 3],
        /// The length that the shape needs.
        needed: usize,
    },
    /// A setting has a value that cannot be meant.
    #[error("setting {name} cannot be {value}")]
    Setting {
        /// The field of [`Settings`](crate::Settings) or [`Search`](crate::Search).
        name: &'static str,
        /// Its value.
        value: f64,
    },
}
