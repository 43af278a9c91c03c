//! CASA calibration tables, read and written.
