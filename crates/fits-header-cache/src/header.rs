//! The cards of one HDU.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use crate::Error;
use crate::card::{CARD, Card, Value};
use crate::error::printable;

/// The header of one HDU: its cards as they stand in the file, read into values when they are asked for.
///
/// Making one costs a copy of the bytes and an index of the keywords, eight bytes a card; a look-up compares these.
#[derive(Clone, Debug)]
pub struct Header {
    path: Arc<Path>,
    hdu: usize,
    /// All cards before END.
    cards: Box<[u8]>,
    /// The keyword of each card, upper case.
    names: Box<[u64]>,
    /// Whether any card is a HIERARCH one.
    hierarch: bool,
}

impl Header {
    /// Of the bytes of all cards before END, a multiple of 80.
    pub(crate) fn new(path: Arc<Path>, hdu: usize, cards: Box<[u8]>) -> Self {
        let names: Box<[u64]> = cards.as_chunks::<CARD>().0.iter().map(name_of).collect();
        let hierarch = next(&names, HIERARCH).is_some();
        Self { path, hdu, cards, names, hierarch }
    }

    /// The file that it is of.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which HDU of the file it is of; 0 is the primary one.
    pub fn hdu(&self) -> usize {
        self.hdu
    }

    /// How many cards of 80 bytes there are before END.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The bytes of all cards before END.
    pub fn raw(&self) -> &[u8] {
        &self.cards
    }

    /// All cards in their order, each with the CONTINUE cards that belong to it.
    pub fn cards(&self) -> impl Iterator<Item = Card<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < self.len()).then(|| {
                let card = self.card(at);
                at += card.raw.len() / CARD;
                card
            })
        })
    }

    /// The first card of a keyword that has a value, or `None`. Case does not matter; a HIERARCH keyword is named with or
    /// without that word.
    pub fn find(&self, keyword: &str) -> Option<Card<'_>> {
        if let Some(name) = packed(keyword) {
            let mut from = 0;
            while let Some(more) = next(&self.names[from..], name) {
                let card = self.card(from + more);
                if card.has_value() {
                    return Some(card);
                }
                from += more + 1;
            }
        }
        if !self.hierarch {
            return None;
        }
        let wanted = keyword.strip_prefix("HIERARCH ").unwrap_or(keyword).trim_ascii();
        self.positions(HIERARCH)
            .map(|at| self.card(at))
            .find(|card| card.has_value() && card.keyword().eq_ignore_ascii_case(wanted))
    }

    /// The texts of all cards of a keyword that have no value, such as HISTORY and COMMENT.
    pub fn commentary(&self, keyword: &str) -> impl Iterator<Item = Cow<'_, str>> {
        let name = packed(keyword).unwrap_or(0);
        self.positions(name).map(|at| self.card(at)).filter(|card| !card.has_value()).map(|card| card.comment())
    }

    /// The value of a keyword's first card, or `None` where there is no such card.
    ///
    /// # Errors
    /// [`Error::Card`] where the card cannot be read.
    pub fn value(&self, keyword: &str) -> Result<Option<Value<'_>>, Error> {
        let Some(card) = self.find(keyword) else { return Ok(None) };
        card.value().map(Some).map_err(|problem| self.wrong(card, problem))
    }

    /// The number of a keyword; `None` where there is no such card or its value is undefined.
    ///
    /// # Errors
    /// [`Error::Card`] where it is not a number.
    pub fn real(&self, keyword: &str) -> Result<Option<f64>, Error> {
        self.typed(keyword, "is not a number", |value| match value {
            Value::Integer(whole) => Some(whole as f64),
            Value::Real(real) => Some(real),
            _ => None,
        })
    }

    /// The whole number of a keyword; `None` where there is no such card or its value is undefined. `4.0` is whole.
    ///
    /// # Errors
    /// [`Error::Card`] where it is not a whole number.
    pub fn integer(&self, keyword: &str) -> Result<Option<i64>, Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        self.typed(keyword, "is not a whole number", |value| match value {
            Value::Integer(whole) => Some(whole),
            Value::Real(real) if real.fract() == 0.0 && real.abs() < EXACT => Some(real as i64),
            _ => None,
        })
    }

    /// The text of a keyword; `None` where there is no such card or its value is undefined.
    ///
    /// # Errors
    /// [`Error::Card`] where it is not text.
    pub fn text(&self, keyword: &str) -> Result<Option<Cow<'_, str>>, Error> {
        self.typed(keyword, "is not text in quotes", |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The truth of a keyword; `None` where there is no such card or its value is undefined.
    ///
    /// # Errors
    /// [`Error::Card`] where it is not `T` or `F`.
    pub fn logical(&self, keyword: &str) -> Result<Option<bool>, Error> {
        self.typed(keyword, "is neither T nor F", |value| match value {
            Value::Logical(truth) => Some(truth),
            _ => None,
        })
    }

    /// The error for a keyword that is not there: `header.real("BMAJ")?.ok_or_else(|| header.missing("BMAJ"))`.
    pub fn missing(&self, keyword: &str) -> Error {
        Error::Missing { path: self.path.to_path_buf(), hdu: self.hdu, keyword: keyword.to_owned() }
    }

    /// The error for a card whose value will not do; `problem` follows the keyword.
    pub(crate) fn unfit(&self, keyword: &str, problem: &'static str) -> Error {
        match self.find(keyword) {
            Some(card) => self.wrong(card, problem),
            None => self.missing(keyword),
        }
    }

    fn typed<'a, T>(
        &'a self,
        keyword: &str,
        problem: &'static str,
        take: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(card) = self.find(keyword) else { return Ok(None) };
        match card.value().map_err(|problem| self.wrong(card, problem))? {
            Value::Undefined => Ok(None),
            value => take(value).map(Some).ok_or_else(|| self.wrong(card, problem)),
        }
    }

    fn wrong(&self, card: Card<'_>, problem: &'static str) -> Error {
        Error::Card {
            path: self.path.to_path_buf(),
            hdu: self.hdu,
            card: card.number,
            keyword: printable(card.keyword().as_bytes()),
            problem,
            text: printable(card.raw),
        }
    }

    /// Where cards of a packed name are.
    fn positions(&self, name: u64) -> impl Iterator<Item = usize> {
        self.names.iter().enumerate().filter(move |&(_, &other)| other == name).map(|(at, _)| at)
    }

    /// The card at a place, with the CONTINUE cards behind it.
    fn card(&self, at: usize) -> Card<'_> {
        let more = self.names[at + 1..].iter().take_while(|&&name| name == CONTINUE).count();
        // A CONTINUE card that continues nothing stands for itself.
        let more = if self.names[at] == CONTINUE { 0 } else { more };
        Card { raw: &self.cards[at * CARD..(at + 1 + more) * CARD], number: at + 1 }
    }
}

const CONTINUE: u64 = u64::from_ne_bytes(*b"CONTINUE");
const HIERARCH: u64 = u64::from_ne_bytes(*b"HIERARCH");
pub(crate) const END: u64 = u64::from_ne_bytes(*b"END     ");

/// Where `name` is first. Sixteen are compared at once: most keywords that are asked for are not the first.
fn next(names: &[u64], name: u64) -> Option<usize> {
    let (groups, rest) = names.as_chunks::<16>();
    let found = groups.iter().position(|group| group.iter().fold(false, |any, &other| any | (other == name)));
    let (from, within) = match found {
        Some(group) => (group * 16, &groups[group][..]),
        None => (groups.len() * 16, rest),
    };
    within.iter().position(|&other| other == name).map(|at| from + at)
}

/// The first eight bytes of a card, upper case.
pub(crate) fn name_of(card: &[u8; CARD]) -> u64 {
    let mut name = [0; 8];
    name.copy_from_slice(&card[..8]);
    upper(u64::from_ne_bytes(name))
}

/// A keyword as it stands in a card, if it fits.
fn packed(keyword: &str) -> Option<u64> {
    let keyword = keyword.as_bytes();
    if keyword.len() > 8 {
        return None;
    }
    let mut name = [b' '; 8];
    name.iter_mut().zip(keyword).for_each(|(to, from)| *to = *from);
    Some(upper(u64::from_ne_bytes(name)))
}

/// Eight bytes at once: the letters `a` to `z` lose the bit that makes them small.
fn upper(name: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Seven bits each, so that no sum reaches into the next byte; bytes beyond ASCII stay as they are.
    let low = name & (0x7f * EACH);
    let from_a = low + (0x80 - b'a' as u64) * EACH;
    let beyond_z = low + (0x7f - b'z' as u64) * EACH;
    let small = from_a & !beyond_z & !name & (0x80 * EACH);
    name & !(small >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_at_every_place() {
        for length in 0..50 {
            for at in 0..=length {
                // Twice, so that the first is the one.
                let names: Vec<u64> = (0..length).map(|i| if i == at || i == at + 3 { END } else { i }).collect();
                let wanted = (at < length).then_some(at as usize);
                assert_eq!(next(&names, END), wanted, "{at} of {length}");
            }
        }
    }

    #[test]
    fn eight_bytes_in_upper_case() {
        for byte in 0..=255_u8 {
            for at in 0..8 {
                let mut name = *b"aZ{`@[z9";
                name[at] = byte;
                let wanted = name.map(|byte| byte.to_ascii_uppercase());
                assert_eq!(upper(u64::from_ne_bytes(name)).to_ne_bytes(), wanted, "{name:?}");
            }
        }
    }
}
