//! Complex gains and bandpasses of antennas against a model; arrays in, arrays out.
