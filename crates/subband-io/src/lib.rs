//! UVH5 subbands read as blocks of visibilities in bounded memory.
