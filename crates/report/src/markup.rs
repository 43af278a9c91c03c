//! Text as HTML.

use std::fmt::{self, Display, Write as _};

/// Text in which nothing is markup. Characters that HTML cannot hold become U+FFFD.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// How something is: said by a word and by a colour, never by a colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nothing is said.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong.
    Bad,
}

impl Status {
    /// The name of its class in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }

    /// The mark that stands beside the text.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "✓ ",
            Self::Warning => "△ ",
            Self::Bad => "✗ ",
        }
    }
}

/// A number with some four digits that matter, without needless zeros.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs().log10().floor();
    if !(-4.0..6.0).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits)).replace('-', "−");
    }
    let decimals = (3.0 - size).clamp(0.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    trimmed(&text).replace('-', "−")
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        let text = "<script>alert('x')</script> & \"y\" \u{1b}[31m\0";
        let shown = Escaped(text).to_string();
        assert_eq!(shown, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot; \u{fffd}[31m\u{fffd}");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 1.0, -2.5, 1234.5678, 0.001_234_56, 1.405e9, 99_999.0, f64::NAN, 3.2e-7].map(number);
        assert_eq!(shown, ["0", "1", "−2.5", "1235", "0.001235", "1.405e9", "99999", "–", "3.2e−7"]);
    }
}
