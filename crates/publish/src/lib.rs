//! Products that are complete and durable under their name, or absent.
