//! The products database: many keys in one query, one writer and many readers, nothing lost.
