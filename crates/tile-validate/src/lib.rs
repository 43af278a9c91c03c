//! A mosaic's tiles judged in one pass.
