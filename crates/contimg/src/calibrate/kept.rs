//! A few values that threads share while they work on neighbouring rows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Data description and number of the time.
pub(crate) type Place = (usize, u32);

/// The last values that were made, one a place.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    values: Mutex<VecDeque<(Place, Arc<T>)>>,
    most: usize,
}

impl<T> Kept<T> {
    /// For at most so many values.
    pub(crate) fn new(most: usize) -> Self {
        Self { values: Mutex::default(), most }
    }

    /// The value of a place; made once, while other threads wait.
    pub(crate) fn get(&self, place: Place, make: impl FnOnce() -> T) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == place) {
            return Arc::clone(value);
        }
        let value = Arc::new(make());
        if values.len() == self.most {
            values.pop_front();
        }
        values.push_back((place, Arc::clone(&value)));
        value
    }
}
