//! Where the sky comes from, and its predictors.

use std::fs;
use std::path::Path;

use calib_model::{Beam, Caching, Component, Direction, Frame, Options, Position, Predictor, SkyModel};

use super::args::SkyArgs;
use super::{catalogue, component_list};
use crate::failure::{Class, Failure};
use crate::notation::count;

/// Source lists are text; nobody writes longer ones.
const LONGEST_LIST: u64 = 1 << 30;

/// The components that were asked for, and a predictor for each frame in which a set needs them.
#[derive(Debug)]
pub(crate) struct Sky {
    components: Vec<Component>,
    /// Where they are from, for people.
    pub origins: Vec<String>,
    beam: Beam,
    caching: Caching,
    predictors: Vec<(Frame, Predictor)>,
}

impl Sky {
    /// Reads all that `args` name. `centres`: where catalogues are searched, ICRS, unless `--around` says it.
    pub(crate) fn read(args: &SkyArgs, caching: Caching, centres: &[Direction]) -> Result<Self, Failure> {
        let beam = match args.beam {
            None => Beam::None,
            Some(_) if !(args.dish.is_finite() && args.dish > 0.0) => {
                return Err(Failure::new(Class::Usage, format!("--dish is {}, not a diameter in metres", args.dish)));
            }
            Some(super::args::BeamArg::Airy) => Beam::Airy { dish_m: args.dish },
        };
        let (mut components, mut origins) = (Vec::new(), Vec::new());
        for path in &args.sky {
            let found = if path.is_dir() { component_list::read(path)? } else { list(path)? };
            origins.push(format!("{} from {}", count(found.len(), "component"), path.display()));
            components.extend(found);
        }
        if !args.source.is_empty() {
            origins.push(format!("{} from --source", count(args.source.len(), "component")));
            components.extend(args.source.iter().map(|source| source.0.clone()));
        }
        if let Some(path) = &args.db {
            let around = args.around.map(|at| at.0);
            let found = catalogue::sources(args, path, around.as_ref().map_or(centres, std::slice::from_ref))?;
            origins.push(format!("{} from {}", count(found.len(), "component"), path.display()));
            components.extend(found);
        }
        // The numbers are checked before any set is touched.
        SkyModel::new(components.clone()).map_err(|error| of_model(&error))?;
        Ok(Self { components, origins, beam, caching, predictors: Vec::new() })
    }

    pub(crate) fn len(&self) -> usize {
        self.components.len()
    }

    /// The predictor for phase centres in `frame`.
    pub(crate) fn predictor(&mut self, frame: Frame) -> Result<&Predictor, Failure> {
        if let Some(at) = self.predictors.iter().position(|(f, _)| *f == frame) {
            return Ok(&self.predictors[at].1);
        }
        let mut components = self.components.clone();
        for component in &mut components {
            if let Position::Sky(direction) = &mut component.position {
                *direction = astrometry::convert(*direction, frame).map_err(|e| Failure::of(Class::Input, &e))?;
            }
        }
        let options = Options { caching: self.caching, ..Options::default() };
        let model = SkyModel::new(components).map_err(|error| of_model(&error))?;
        let predictor = Predictor::new(model, self.beam.clone(), options).map_err(|error| of_model(&error))?;
        self.predictors.push((frame, predictor));
        Ok(&self.predictors.last().expect("because it was just pushed").1)
    }
}

pub(crate) fn of_model(error: &calib_model::Error) -> Failure {
    let failure = Failure::of(Class::Input, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A source list or a table.
fn list(path: &Path) -> Result<Vec<Component>, Failure> {
    let failed = |error| Failure::io(Class::Input, format!("{}: cannot read the sky model", path.display()), &error);
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > LONGEST_LIST {
        return Err(Failure::new(Class::Input, format!("{}: {bytes} bytes are no source list", path.display()))
            .hint("give a text file: a WSClean, DP3 or BBS source list, or a CSV table"));
    }
    let content = fs::read(path).map_err(failed)?;
    let text = String::from_utf8(content).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        Failure::new(Class::Input, format!("{}, line {line}: not text in UTF-8", path.display()))
            .hint("give a text file: a WSClean, DP3 or BBS source list, or a CSV table")
    })?;
    match sky_model::parse(&text, path, &sky_model::Options::default()) {
        Ok(list) => Ok(list.into_components()),
        Err(error) => {
            let failure = Failure::of(Class::Input, &error);
            Err(match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
    }
}
