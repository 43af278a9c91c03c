//! Columns of a Measurement Set, replaced whole or not at all; named versions of its flags.
