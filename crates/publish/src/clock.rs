//! The time that products bear.

use std::ffi::OsStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// The environment variable that fixes it: <https://reproducible-builds.org/specs/source-date-epoch/>.
const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// The time to write into a product, since 1970-01-01 UTC: now, or what `SOURCE_DATE_EPOCH` says (whole seconds), with
/// which the same input gives the same bytes.
///
/// # Errors
///
/// [`Error::BadSourceDateEpoch`] when the variable is set to anything else.
pub fn product_time() -> Result<Duration, Error> {
    match std::env::var_os(VARIABLE) {
        Some(value) => said(&value).ok_or(Error::BadSourceDateEpoch { value }),
        None => Ok(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
    }
}

fn said(value: &OsStr) -> Option<Duration> {
    let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_seconds_are_a_time() {
        assert_eq!(said("1769299519".as_ref()), Some(Duration::from_secs(1_769_299_519)));
        for wrong in ["", "-1", "+1", "1.5", "yesterday", "99999999999999999999999"] {
            assert_eq!(said(wrong.as_ref()), None, "{wrong}");
        }
    }
}
