//! One card: keyword, value, comment.
//!
//! The grammar is that of the FITS standard 4.0 (2018), section 4, with what real files add to it: HIERARCH keywords (ESO),
//! CONTINUE, lower-case exponents and `D` exponents.

use std::{borrow::Cow, fmt};

/// Bytes of a card.
pub(crate) const CARD: usize = 80;

/// The value of a card.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, without trailing blanks, doubled quotes made single, continuations joined.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent, or a whole one beyond 64 bits.
    Real(f64),
    /// `T` or `F`.
    Logical(bool),
    /// A pair `(real, imaginary)`.
    Complex(f64, f64),
    /// The card is there and says nothing.
    Undefined,
}

/// One card of a header, with the CONTINUE cards that belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// 80 bytes, or a multiple of it with continuations.
    pub(crate) raw: &'a [u8],
    pub(crate) number: usize,
}

/// Where a card's parts are.
enum Form<'a> {
    /// A keyword and what stands behind its `=`.
    Valued(Cow<'a, str>, &'a [u8]),
    /// A keyword, perhaps empty, and free text.
    Commentary(Cow<'a, str>, &'a [u8]),
}

/// The comment behind a value.
enum Behind<'a> {
    /// As it stands in the card, with the blanks around it.
    Here(&'a [u8]),
    /// Those of several cards.
    Joined(String),
}

/// The card as it stands in the file, without the blanks at its end; bytes that are no text show as U+FFFD.
impl fmt::Display for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lossy(self.raw.trim_ascii_end()))
    }
}

impl<'a> Card<'a> {
    /// Its place in the header, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The keyword, upper case unless it is a HIERARCH one, which is given without that word; empty for a blank card.
    pub fn keyword(&self) -> Cow<'a, str> {
        match self.form() {
            Form::Valued(keyword, _) | Form::Commentary(keyword, _) => keyword,
        }
    }

    /// Whether it has a value, perhaps an undefined one. COMMENT, HISTORY and blank cards have none.
    pub fn has_value(&self) -> bool {
        self.raw.get(8..10) == Some(b"= ") || matches!(self.form(), Form::Valued(..))
    }

    /// The value; [`Value::Undefined`] for a card that has none.
    ///
    /// # Errors
    /// What is wrong, in words that follow the keyword.
    pub fn value(&self) -> Result<Value<'a>, &'static str> {
        let field = match self.raw.get(8..10) {
            Some(b"= ") => &self.raw[10..CARD],
            _ => match self.form() {
                Form::Commentary(..) => return Ok(Value::Undefined),
                Form::Valued(_, field) => field,
            },
        };
        self.parse(field).map(|(value, _)| value)
    }

    /// The comment behind the value, or the text of a COMMENT, HISTORY or blank card, without trailing blanks.
    ///
    /// Empty where the value cannot be read, since its end is not known then.
    pub fn comment(&self) -> Cow<'a, str> {
        match self.form() {
            Form::Commentary(_, text) => String::from_utf8_lossy(text.trim_ascii_end()),
            Form::Valued(_, field) => match self.parse(field) {
                Ok((_, Behind::Here(text))) => String::from_utf8_lossy(text.trim_ascii()),
                Ok((_, Behind::Joined(text))) => Cow::Owned(text),
                Err(_) => Cow::Borrowed(""),
            },
        }
    }

    /// The 80 bytes, or more with continuations.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    fn form(&self) -> Form<'a> {
        let first = &self.raw[..CARD.min(self.raw.len())];
        let (name, rest) = first.split_at(8);
        if rest.starts_with(b"= ") {
            return Form::Valued(keyword(name), &rest[2..]);
        }
        if name == b"HIERARCH"
            && let Some(equals) = rest.iter().position(|&b| b == b'=')
        {
            return Form::Valued(String::from_utf8_lossy(rest[..equals].trim_ascii()), &rest[equals + 1..]);
        }
        Form::Commentary(keyword(name), rest)
    }

    /// Value and comment of a value field.
    fn parse(&self, field: &'a [u8]) -> Result<(Value<'a>, Behind<'a>), &'static str> {
        let field = unpadded(field);
        match field.first() {
            None | Some(b'/') => Ok((Value::Undefined, Behind::Here(comment(field)?))),
            Some(b'\'') => {
                let (text, rest) = quoted(field)?;
                if text.ends_with('&') && self.raw.len() > CARD {
                    return self.continued(text, rest);
                }
                Ok((Value::Text(text), Behind::Here(comment(rest)?)))
            }
            Some(b'(') => {
                let close = field.iter().position(|&b| b == b')').ok_or("has a complex value without `)`")?;
                let mut parts = field[1..close].split(|&b| b == b',');
                let (Some(real), Some(imaginary), None) = (parts.next(), parts.next(), parts.next()) else {
                    return Err("has a complex value that is not a pair");
                };
                let part = |bytes: &[u8]| match number(bytes.trim_ascii())? {
                    Value::Integer(whole) => Ok(whole as f64),
                    Value::Real(real) => Ok(real),
                    _ => Err("has a complex value that is not a pair of numbers"),
                };
                Ok((Value::Complex(part(real)?, part(imaginary)?), Behind::Here(comment(&field[close + 1..])?)))
            }
            Some(_) => {
                let end = field.iter().position(|&b| matches!(b, b' ' | b'/')).unwrap_or(field.len());
                let (token, rest) = field.split_at(end);
                let value = match token {
                    b"T" => Value::Logical(true),
                    b"F" => Value::Logical(false),
                    _ => number(token)?,
                };
                Ok((value, Behind::Here(comment(rest)?)))
            }
        }
    }

    /// A long string: `text` ends with `&`, and CONTINUE cards follow.
    fn continued(&self, text: Cow<'a, str>, rest: &'a [u8]) -> Result<(Value<'a>, Behind<'a>), &'static str> {
        let mut text = text.into_owned();
        let mut note = String::from_utf8_lossy(comment(rest)?.trim_ascii()).into_owned();
        for card in self.raw[CARD..].chunks_exact(CARD) {
            if !text.ends_with('&') {
                break;
            }
            let field = card[8..].trim_ascii_start();
            if field.first() != Some(&b'\'') {
                return Err("is continued by something other than text");
            }
            let (more, rest) = quoted(field)?;
            text.pop();
            text.push_str(&more);
            note.push_str(&String::from_utf8_lossy(comment(rest)?.trim_ascii()));
        }
        Ok((Value::Text(text.into()), Behind::Joined(note)))
    }
}

/// `trim_ascii_start`, eight bytes at a time where they are blanks: most of a card is.
fn unpadded(mut field: &[u8]) -> &[u8] {
    while let Some((b"        ", rest)) = field.split_first_chunk::<8>() {
        field = rest;
    }
    field.trim_ascii_start()
}

/// Text as it is, if it is UTF-8, which ASCII is.
fn lossy(text: &[u8]) -> Cow<'_, str> {
    str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed)
}

/// An ordinary keyword, upper case.
fn keyword(name: &[u8]) -> Cow<'_, str> {
    let name = name.trim_ascii_end();
    if name.iter().any(u8::is_ascii_lowercase) {
        return String::from_utf8_lossy(name).to_ascii_uppercase().into();
    }
    String::from_utf8_lossy(name)
}

/// The text of a quoted string at the start of `field`, and what follows it.
fn quoted(field: &[u8]) -> Result<(Cow<'_, str>, &[u8]), &'static str> {
    let body = &field[1..];
    let mut at = 0;
    let mut doubled = false;
    loop {
        match body[at..].iter().position(|&b| b == b'\'') {
            None => return Err("has text without a closing quote"),
            Some(next) if body.get(at + next + 1) == Some(&b'\'') => {
                doubled = true;
                at += next + 2;
            }
            Some(next) => {
                let end = at + next;
                let text = &body[..end];
                // Leading blanks are part of the text, trailing ones are not (section 4.2.1).
                let kept = text.iter().rposition(|&b| b != b' ').map_or(0, |last| last + 1);
                let text = lossy(&text[..kept]);
                let text = if doubled { Cow::Owned(text.replace("''", "'")) } else { text };
                return Ok((text, &body[end + 1..]));
            }
        }
    }
}

/// The comment in what follows a value, with the blanks around it.
fn comment(rest: &[u8]) -> Result<&[u8], &'static str> {
    match unpadded(rest).split_first() {
        None => Ok(&[]),
        Some((b'/', text)) => Ok(text),
        Some(_) => Err("has something behind its value that is not a comment"),
    }
}

/// A number in any of the forms of sections 4.2.3 and 4.2.4.
fn number(token: &[u8]) -> Result<Value<'static>, &'static str> {
    const WRONG: &str = "has a value that is neither text, number, T nor F";
    if token.is_empty() || token.len() > 70 {
        return Err(WRONG);
    }
    let (mut whole, mut fortran) = (true, false);
    for byte in token {
        match byte {
            b'0'..=b'9' | b'+' | b'-' => {}
            b'.' | b'E' | b'e' => whole = false,
            b'D' | b'd' => (whole, fortran) = (false, true),
            _ => return Err(WRONG),
        }
    }
    let mut other = [0; 70];
    let text = if fortran {
        let turn = |byte: &u8| if matches!(byte, b'D' | b'd') { b'E' } else { *byte };
        other.iter_mut().zip(token).for_each(|(to, from)| *to = turn(from));
        &other[..token.len()]
    } else {
        token
    };
    let text = str::from_utf8(text).map_err(|_| WRONG)?;
    if whole && let Ok(integer) = text.parse() {
        return Ok(Value::Integer(integer));
    }
    match text.parse::<f64>() {
        Ok(real) if real.is_finite() => Ok(Value::Real(real)),
        Ok(_) => Err("has a number beyond the range of 64-bit floating point"),
        Err(_) => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Vec<u8> {
        let cards: Vec<u8> = text.split('\n').flat_map(|line| format!("{line:<80}").into_bytes()).collect();
        assert_eq!(cards.len() % CARD, 0, "a card of 80 bytes: {text}");
        cards
    }

    fn value(text: &str) -> Result<Value<'static>, &'static str> {
        let raw = card(text);
        Card { raw: &raw, number: 1 }.value().map(|value| match value {
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Integer(v) => Value::Integer(v),
            Value::Real(v) => Value::Real(v),
            Value::Logical(v) => Value::Logical(v),
            Value::Complex(a, b) => Value::Complex(a, b),
            Value::Undefined => Value::Undefined,
        })
    }

    fn text(value: &'static str) -> Result<Value<'static>, &'static str> {
        Ok(Value::Text(value.into()))
    }

    #[test]
    fn values_of_every_kind() {
        assert_eq!(value("NAXIS   =                    4 / axes"), Ok(Value::Integer(4)));
        assert_eq!(value("A       = -12"), Ok(Value::Integer(-12)));
        assert_eq!(value("A       = 99999999999999999999"), Ok(Value::Real(1e20)));
        assert_eq!(value("CRVAL3  =    1.405000000000D+09"), Ok(Value::Real(1.405e9)));
        assert_eq!(value("A       = +1.d-3/x"), Ok(Value::Real(1e-3)));
        assert_eq!(value("A       = .5"), Ok(Value::Real(0.5)));
        assert_eq!(value("A       =                    T"), Ok(Value::Logical(true)));
        assert_eq!(value("A       = F/no"), Ok(Value::Logical(false)));
        assert_eq!(value("A       = (1.5, -2)"), Ok(Value::Complex(1.5, -2.0)));
        assert_eq!(value("A       ="), Ok(Value::Undefined));
        assert_eq!(value("A       =  / only a comment"), Ok(Value::Undefined));
        assert_eq!(value("COMMENT = 3"), Ok(Value::Integer(3)));
        assert_eq!(value("HISTORY said"), Ok(Value::Undefined));
    }

    #[test]
    fn text_keeps_quotes_slashes_and_leading_blanks() {
        assert_eq!(value("A       = 'O''Brien / x  ' / who"), text("O'Brien / x"));
        assert_eq!(value("A       = '  lead'"), text("  lead"));
        assert_eq!(value("A       = ''"), text(""));
        assert_eq!(value("A       = ''''"), text("'"));
        let raw = card("A       = 'x/y'  / unit [m/s]");
        assert_eq!(Card { raw: &raw, number: 1 }.comment(), "unit [m/s]");
    }

    #[test]
    fn long_text_is_joined() {
        assert_eq!(value("A       = 'one &'\nCONTINUE  'two &'\nCONTINUE  'three' / note"), text("one two three"));
        assert_eq!(value("A       = 'no more'\nCONTINUE  'ignored'"), text("no more"));
        assert_eq!(value("A       = 'R&'"), text("R&"));
        assert!(value("A       = 'one &'\nCONTINUE  3").is_err());
    }

    #[test]
    fn hierarch_keywords_have_their_own_name() {
        let raw = card("HIERARCH ESO DET DIT = 1.25 / integration");
        let card = Card { raw: &raw, number: 7 };
        assert_eq!(card.to_string(), "HIERARCH ESO DET DIT = 1.25 / integration");
        assert_eq!(
            (card.keyword().as_ref(), card.value(), card.comment().as_ref()),
            ("ESO DET DIT", Ok(Value::Real(1.25)), "integration")
        );
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for wrong in [
            "A       = nan",
            "A       = inf",
            "A       = 1 2",
            "A       = 'open",
            "A       = (1",
            "A       = 1E999",
            "A       = (1,2,3)",
            "A       = TRUE",
            "A       = 1..2",
            "A       = E5",
            "A       = --5",
        ] {
            assert!(value(wrong).is_err(), "{wrong}");
        }
    }
}
