//! Sizes in bytes as people write them.

use std::{fmt, str::FromStr};

/// A number of bytes, parsed from `64MiB`, `1.5GiB`, `2GB` or plain `1048576`, printed with a binary prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub u64);

const UNITS: [(&str, f64); 9] = [
    ("kib", 1024.0),
    ("mib", 1048576.0),
    ("gib", 1073741824.0),
    ("tib", 1099511627776.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("b", 1.0),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let (number, factor) = UNITS
            .iter()
            .find_map(|&(unit, factor)| lower.strip_suffix(unit).map(|n| (n.trim_end(), factor)))
            .unwrap_or((lower.as_str(), 1.0));
        match number.parse::<f64>() {
            Ok(n) if n.is_finite() && n > 0.0 && n * factor < 1e18 => Ok(Self((n * factor).round() as u64)),
            _ => Err(format!("`{text}` is not a size; write it like 128MiB, 1.5GiB or 500MB")),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        let mut unit = "B";
        for next in ["KiB", "MiB", "GiB", "TiB"] {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        let text = match unit {
            "B" => format!("{value:.0} B"),
            _ if value < 10.0 => format!("{value:.2} {unit}"),
            _ => format!("{value:.1} {unit}"),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!("64MiB".parse(), Ok(Bytes(64 << 20)));
        assert_eq!("1.5 gib".parse(), Ok(Bytes(3 << 29)));
        assert_eq!("2GB".parse(), Ok(Bytes(2_000_000_000)));
        assert_eq!("17".parse(), Ok(Bytes(17)));
        for bad in ["", "MiB", "-1MiB", "1e40", "nan", "12 parsecs"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!(Bytes(145_348_600).to_string(), "138.6 MiB");
        assert_eq!(format!("{:>10}|", Bytes(12)), "      12 B|");
    }
}
