//! Sizes and durations as plans write them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A number of bytes: `"512MiB"`, `"2GB"` or a plain number in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("B", 1.0),
];

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (number, factor) = UNITS
            .iter()
            .find_map(|&(unit, factor)| Some((trimmed.strip_suffix(unit)?.trim_end(), factor)))
            .unwrap_or((trimmed, 1.0));
        match number.parse::<f64>() {
            Ok(n) if n >= 0.0 && n * factor < 1e18 => Ok(Self((n * factor).round() as u64)),
            _ => Err(format!("`{text}` is not a size; write it like 128MiB, 1.5GiB or 500MB")),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scales = [("TiB", 40_u32), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let text = match scales.iter().find(|(_, shift)| self.0 >> shift > 0) {
            Some((unit, shift)) => {
                let value = self.0 as f64 / (1_u64 << shift) as f64;
                if value < 10.0 { format!("{value:.2} {unit}") } else { format!("{value:.1} {unit}") }
            }
            None => format!("{} B", self.0),
        };
        f.pad(&text)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

/// A duration: `"30min"`, `"90s"`, `"2h"` or a plain number of seconds in a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(pub f64);

impl Seconds {
    /// As the standard library's type.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self.0).unwrap_or(Duration::MAX)
    }
}

impl std::str::FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let units = [("ms", 0.001), ("min", 60.0), ("s", 1.0), ("h", 3600.0), ("d", 86_400.0)];
        let (number, factor) = units
            .iter()
            .find_map(|&(unit, factor)| Some((trimmed.strip_suffix(unit)?.trim_end(), factor)))
            .unwrap_or((trimmed, 1.0));
        match number.parse::<f64>() {
            Ok(n) if n > 0.0 && n * factor < 1e9 => Ok(Self(n * factor)),
            _ => Err(format!("`{text}` is not a duration; write it like 90s, 30min or 2h")),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(seconds) if seconds > 0.0 && seconds < 1e9 => Ok(Self(seconds)),
            Written::Number(seconds) => Err(D::Error::custom(format!("{seconds} s is no duration"))),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_as_people_write_them() {
        assert_eq!("1.5GiB".parse(), Ok(Bytes(3 << 29)));
        assert_eq!("17".parse(), Ok(Bytes(17)));
        assert_eq!(Bytes(3 << 29).to_string(), "1.50 GiB");
        assert_eq!("30min".parse(), Ok(Seconds(1800.0)));
        assert_eq!("250ms".parse(), Ok(Seconds(0.25)));
        for bad in ["-1GiB", "nan", "1e40", "", "12 parsecs"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
            assert!(bad.parse::<Seconds>().is_err(), "{bad}");
        }
    }
}
