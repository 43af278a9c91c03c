//! Self-contained pages: tables, plots and pictures in one HTML file.
