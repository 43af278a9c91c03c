//! Flags for visibilities before they are calibrated; arrays in, arrays out.
