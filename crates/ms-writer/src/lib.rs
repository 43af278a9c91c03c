//! Blocks of visibilities written as a Measurement Set, tile by tile.
