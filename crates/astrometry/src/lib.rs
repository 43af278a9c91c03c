//! Where a radio array looks: sidereal time, apparent and ICRS directions, UVW, Earth orientation.
