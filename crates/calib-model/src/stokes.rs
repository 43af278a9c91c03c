//! From Stokes parameters to correlations.

use vis_types::Correlation;

use crate::Error;

/// A factor of a Stokes parameter in a correlation: a power of i.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    One,
    MinusOne,
    I,
    MinusI,
}

/// A correlation as a Stokes parameter (0 to 3: I, Q, U, V), and a second one with its factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mix {
    pub(crate) first: usize,
    pub(crate) second: Option<(usize, Turn)>,
}

impl Mix {
    pub(crate) fn uses(&self, stokes: usize) -> bool {
        self.first == stokes || self.second.is_some_and(|(second, _)| second == stokes)
    }
}

/// The terms of a correlation, so that I = (XX + YY)/2 = (RR + LL)/2 (Hamaker & Bregman 1996, A&AS 117, 161; IAU convention
/// of 1973 for the sign of V), as CASA, WSClean and DP3 have it.
pub(crate) fn mix(correlation: Correlation) -> Mix {
    use Correlation as C;
    let (first, second) = match correlation {
        C::I => (0, None),
        C::Q => (1, None),
        C::U => (2, None),
        C::V => (3, None),
        C::XX => (0, Some((1, Turn::One))),
        C::YY => (0, Some((1, Turn::MinusOne))),
        C::XY => (2, Some((3, Turn::I))),
        C::YX => (2, Some((3, Turn::MinusI))),
        C::RR => (0, Some((3, Turn::One))),
        C::LL => (0, Some((3, Turn::MinusOne))),
        C::RL => (1, Some((2, Turn::I))),
        C::LR => (1, Some((2, Turn::MinusI))),
    };
    Mix { first, second }
}

/// The mixes of a request's correlations.
pub(crate) fn mixes(correlations: &[Correlation]) -> Result<Vec<Mix>, Error> {
    let kind = |c: &Correlation| match c.aips() {
        1.. => 0,
        -4..=0 => 1,
        _ => 2,
    };
    let repeated = correlations.iter().enumerate().any(|(k, c)| correlations[..k].contains(c));
    if repeated || correlations.is_empty() || correlations.iter().any(|c| kind(c) != kind(&correlations[0])) {
        return Err(Error::Correlations(correlations.to_vec()));
    }
    Ok(correlations.iter().map(|&c| mix(c)).collect())
}
