//! Stages of many data sets in parallel, isolated and resumable.
