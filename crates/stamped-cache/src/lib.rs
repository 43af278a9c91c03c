//! Values computed from files, good exactly while those files are unchanged.
