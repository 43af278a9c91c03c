//! What does not depend on the rows: directions, fluxes, beam values; computed once and kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quick_cache::Weighter;
use quick_cache::sync::Cache as Shelf;
use vis_types::Direction;

use crate::beam::{Beam, BeamPoint};
use crate::channels::Plan;
use crate::geometry::{Directions, TangentFrame, angle, directions, dot};
use crate::{Error, Field, Shape, SkyModel};

/// The components of one Stokes parameter, sorted by what they cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    /// 0 to 3: I, Q, U, V.
    pub(crate) stokes: usize,
    /// Points with one flux for all channels: component and jansky.
    pub(crate) flat: Vec<(u32, f64)>,
    /// Points whose flux depends on the channel: component.
    pub(crate) points: Vec<u32>,
    /// Gaussians: component and position among the Gaussians.
    pub(crate) gaussians: Vec<(u32, u32)>,
    /// `[component, channel]` in jansky, the beam included: of the points, then of the Gaussians.
    pub(crate) fluxes: Vec<f64>,
}

/// The channel plan and the fluxes as one field sees them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChannelTerms {
    pub(crate) plan: Plan,
    /// The Stokes parameters in which any component has flux.
    pub(crate) planes: Vec<Plane>,
}

/// The spectrum of a component at the channels.
#[derive(Clone, Debug)]
enum Flux {
    Flat([f64; 4]),
    Each(Vec<[f64; 4]>),
}

/// Operations since the predictor was made.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) directions: AtomicU64,
    pub(crate) fluxes: AtomicU64,
    pub(crate) beams: AtomicU64,
    pub(crate) delays: AtomicU64,
    pub(crate) visibilities: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }
}

/// A direction by its bits: equal keys mean equal inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DirectionKey(u64, u64, vis_types::Frame);

impl From<Direction> for DirectionKey {
    fn from(d: Direction) -> Self {
        Self(d.lon_rad.to_bits(), d.lat_rad.to_bits(), d.frame)
    }
}

/// The whole of what was computed from; model and beam belong to the owner of the shelf and never change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Directions of all components from a phase centre.
    Directions(DirectionKey),
    /// Spectra at the frequencies of all channels (their bits).
    Spectra(Arc<[u64]>),
    /// Fluxes and plan for the channels, and with a beam for phase and pointing centre.
    Channels(Arc<[u64]>, Option<(DirectionKey, DirectionKey)>),
}

#[derive(Clone, Debug)]
enum Kept {
    Directions(Arc<Directions>),
    Spectra(Arc<Vec<Flux>>),
    Channels(Arc<ChannelTerms>),
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, key: &Key, kept: &Kept) -> u64 {
        let key_bytes = match key {
            Key::Directions(_) => 0,
            Key::Spectra(f) | Key::Channels(f, _) => 8 * f.len(),
        };
        let bytes = match kept {
            Kept::Directions(d) => 48 * (d.delay.len() + d.widths.len()),
            Kept::Spectra(s) => s.iter().map(|f| if let Flux::Each(v) = f { 64 + 32 * v.len() } else { 64 }).sum(),
            Kept::Channels(t) => {
                let planes = t
                    .planes
                    .iter()
                    .map(|p| 8 * p.fluxes.len() + 16 * p.flat.len() + 4 * p.points.len() + 8 * p.gaussians.len());
                12 * t.plan.freq_hz.len() + planes.sum::<usize>()
            }
        };
        (key_bytes + bytes + 256) as u64
    }
}

/// Makes terms, and keeps them if it may.
#[derive(Debug)]
pub(crate) struct Terms {
    model: SkyModel,
    beam: Beam,
    shelf: Option<Shelf<Key, Kept, Bytes>>,
    pub(crate) counters: Counters,
}

impl Terms {
    pub(crate) fn new(model: SkyModel, beam: Beam, bytes: Option<u64>) -> Self {
        let shelf = bytes.map(|bytes| {
            let options = quick_cache::OptionsBuilder::new()
                .shards(1)
                .estimated_items_capacity(64)
                .weight_capacity(bytes)
                .build();
            let options = options.expect("because shards, items and weight are given");
            Shelf::with_options(options, Bytes, Default::default(), Default::default())
        });
        Self { model, beam, shelf, counters: Counters::default() }
    }

    pub(crate) fn model(&self) -> &SkyModel {
        &self.model
    }

    pub(crate) fn beam(&self) -> &Beam {
        &self.beam
    }

    pub(crate) fn clear(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.clear();
        }
    }

    fn kept(&self, key: Key, make: impl FnOnce() -> Result<Kept, Error>) -> Result<Kept, Error> {
        let Some(shelf) = &self.shelf else { return make() };
        let mut missed = false;
        let kept = shelf.get_or_insert_with(&key, || {
            missed = true;
            make()
        });
        Counters::add(if missed { &self.counters.misses } else { &self.counters.hits }, 1);
        kept
    }

    /// Directions of all components from the phase centre of field number `field`.
    pub(crate) fn directions(&self, field: usize, centre: Direction) -> Result<Arc<Directions>, Error> {
        let kept = self.kept(Key::Directions(centre.into()), || {
            Counters::add(&self.counters.directions, self.model.components().len());
            Ok(Kept::Directions(Arc::new(directions(&self.model, centre, field)?)))
        })?;
        let Kept::Directions(kept) = kept else { unreachable!("because the key says directions") };
        Ok(kept)
    }

    fn spectra(&self, freq_hz: &[f64], bits: &Arc<[u64]>) -> Result<Arc<Vec<Flux>>, Error> {
        let kept = self.kept(Key::Spectra(bits.clone()), || {
            let components = self.model.components().iter().enumerate();
            let fluxes = components.map(|(index, _)| self.spectrum(index, freq_hz)).collect::<Result<Vec<_>, _>>()?;
            Ok(Kept::Spectra(Arc::new(fluxes)))
        })?;
        let Kept::Spectra(kept) = kept else { unreachable!("because the key says spectra") };
        Ok(kept)
    }

    fn spectrum(&self, index: usize, freq_hz: &[f64]) -> Result<Flux, Error> {
        let spectrum = &self.model.components()[index].spectrum;
        let at = |freq_hz: f64| {
            let refuse =
                |problem, hint| Err(Error::Spectrum { component: self.model.label(index), freq_hz, problem, hint });
            match spectrum.at(freq_hz) {
                Some(s) if s.iter().all(|s| s.is_finite()) => Ok(s),
                Some(_) => refuse("the flux is not finite", "check the spectral terms and the reference frequency"),
                None => refuse(
                    "the table of fluxes ends before",
                    "nothing is extrapolated: extend the table, or select other channels",
                ),
            }
        };
        if spectrum.is_flat() {
            let first = freq_hz.first().map_or(Ok([0.0; 4]), |&f| at(f))?;
            return Ok(Flux::Flat(first));
        }
        Counters::add(&self.counters.fluxes, freq_hz.len());
        freq_hz.iter().map(|&f| at(f)).collect::<Result<_, _>>().map(Flux::Each)
    }

    /// Plan and fluxes for the channels as field number `index` sees them.
    pub(crate) fn channels(
        &self,
        index: usize,
        field: &Field,
        directions: &Directions,
        freq_hz: &[f64],
        bits: &Arc<[u64]>,
    ) -> Result<Arc<ChannelTerms>, Error> {
        let pointing = field.pointing.unwrap_or(field.phase_centre);
        let seen_from = (!self.beam.is_none()).then(|| (field.phase_centre.into(), pointing.into()));
        let kept = self.kept(Key::Channels(bits.clone(), seen_from), || {
            let spectra = self.spectra(freq_hz, bits)?;
            let frame = TangentFrame::at(pointing.lon_rad, pointing.lat_rad);
            let beams = |component: usize| self.beams(component, index, &frame, directions, freq_hz);
            let planes = self.planes(&spectra, freq_hz.len(), beams)?;
            Ok(Kept::Channels(Arc::new(ChannelTerms { plan: Plan::new(freq_hz.to_vec()), planes })))
        })?;
        let Kept::Channels(kept) = kept else { unreachable!("because the key says channels") };
        Ok(kept)
    }

    /// The beam at each channel, or nothing without a beam.
    fn beams(
        &self,
        component: usize,
        field: usize,
        frame: &TangentFrame,
        directions: &Directions,
        freq_hz: &[f64],
    ) -> Result<Option<Vec<f64>>, Error> {
        if self.beam.is_none() {
            return Ok(None);
        }
        Counters::add(&self.counters.beams, freq_hz.len());
        let vector = directions.vectors[component];
        let mut point = BeamPoint {
            component,
            l: dot(vector, frame.east),
            m: dot(vector, frame.north),
            angle_rad: angle(vector, frame.centre),
            freq_hz: 0.0,
        };
        let power = |&freq_hz: &f64| {
            point.freq_hz = freq_hz;
            let value = self.beam.power(&point);
            if value.is_finite() {
                Ok(value)
            } else {
                Err(Error::Beam { component: self.model.label(component), field, freq_hz, value })
            }
        };
        freq_hz.iter().map(power).collect::<Result<_, _>>().map(Some)
    }

    fn planes(
        &self,
        spectra: &[Flux],
        n_channels: usize,
        beams: impl Fn(usize) -> Result<Option<Vec<f64>>, Error>,
    ) -> Result<Vec<Plane>, Error> {
        let empty =
            |stokes| Plane { stokes, flat: Vec::new(), points: Vec::new(), gaussians: Vec::new(), fluxes: Vec::new() };
        let mut planes: [Plane; 4] = std::array::from_fn(empty);
        let mut gaussian_fluxes: [Vec<f64>; 4] = Default::default();
        let mut n_gaussians = 0;
        for (index, (component, spectrum)) in self.model.components().iter().zip(spectra).enumerate() {
            let beam = beams(index)?;
            let gaussian = matches!(component.shape, Shape::Gaussian { .. }).then(|| {
                n_gaussians += 1;
                n_gaussians - 1
            });
            for (plane, gaussian_fluxes) in planes.iter_mut().zip(&mut gaussian_fluxes) {
                let at = |channel: usize| {
                    let jy = match spectrum {
                        Flux::Flat(stokes) => stokes[plane.stokes],
                        Flux::Each(stokes) => stokes[channel][plane.stokes],
                    };
                    jy * beam.as_ref().map_or(1.0, |b| b[channel])
                };
                if (0..n_channels).all(|c| at(c) == 0.0) {
                    continue;
                }
                match gaussian {
                    Some(gaussian) => {
                        plane.gaussians.push((index as u32, gaussian));
                        gaussian_fluxes.extend((0..n_channels).map(at));
                    }
                    None if (1..n_channels).all(|c| at(c) == at(0)) => plane.flat.push((index as u32, at(0))),
                    None => {
                        plane.points.push(index as u32);
                        plane.fluxes.extend((0..n_channels).map(at));
                    }
                }
            }
        }
        for (plane, gaussian_fluxes) in planes.iter_mut().zip(gaussian_fluxes) {
            plane.fluxes.extend(gaussian_fluxes);
        }
        Ok(planes
            .into_iter()
            .filter(|p| !(p.flat.is_empty() && p.points.is_empty() && p.gaussians.is_empty()))
            .collect())
    }
}
