//! Sky models from the common text formats.
