//! Header cards, celestial coordinates and pixel statistics of many FITS files, read once.
