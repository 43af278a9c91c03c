//! `contimg beam`: the primary beam of a round dish, beside an image and on its grid.

use std::{
    f64::consts::PI,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use fits_header_cache::{Celestial, FitsFile};
use rayon::prelude::*;
use serde_json::json;

use super::header::{Card, Cards, beside, card, history_cards, keyword};
use crate::{
    failure::{Class, Failure},
    output::outln,
};

const LIGHT_M_S: f64 = 299_792_458.0;
/// Rows that are computed before they are written.
const ROWS: u64 = 64;

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  contimg beam images/night-image.fits  # makes images/night-beam-0.fits
  contimg beam images/*-image.fits --dish 25 --overwrite

The beam is that of an evenly lit round dish, (2 J1(x)/x)² with x = π D sin θ / λ (Born & Wolf, Principles of \
    Optics, 8.5.2), about the image's reference position, which is taken for the pointing. It is what WSClean calls \
    `-beam-0`, where `contimg tiles` looks for it; a WSClean that was built with EveryBeam writes better ones for \
    the telescopes that it knows.")]
pub(crate) struct BeamArgs {
    /// FITS images.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Diameter of the dish, metres.
    #[arg(long, default_value_t = 4.65, value_name = "METRES")]
    pub dish: f64,
    /// Replace beams that are there.
    #[arg(long)]
    pub overwrite: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &BeamArgs) -> Result<ExitCode, Failure> {
    if !args.dish.is_finite() || args.dish <= 0.0 {
        return Err(Failure::new(Class::Usage, format!("--dish {}: a diameter is above 0", args.dish)));
    }
    let mut made = Vec::new();
    for image in &args.images {
        let Some(beam) = tile_validate::primary_beam_names(image).into_iter().next() else {
            return Err(Failure::new(Class::Usage, format!("{}: its name is not that of an image", image.display()))
                .hint("name FITS files, such as X-image.fits"));
        };
        if beam.exists() && !args.overwrite {
            return Err(Failure::new(Class::Output, format!("{} is there already", beam.display()))
                .hint("--overwrite replaces it"));
        }
        let plan = Beam::of(image, args.dish)?;
        plan.write(&beam).map_err(|e| Failure::io(Class::Output, format!("cannot write {}", beam.display()), &e))?;
        if !args.json {
            outln!("{}: a dish of {} m at {:.1} MHz", beam.display(), args.dish, plan.freq_hz / 1e6);
        }
        made.push(json!({ "image": image, "beam": beam, "freq_hz": plan.freq_hz }));
    }
    if args.json {
        outln!("{:#}", json!({ "dish_m": args.dish, "beams": made }));
    }
    Ok(ExitCode::SUCCESS)
}

struct Beam {
    header: Vec<u8>,
    celestial: Celestial,
    pointing: fits_header_cache::Sky,
    /// π D / λ.
    scale: f64,
    freq_hz: f64,
}

impl Beam {
    fn of(image: &Path, dish_m: f64) -> Result<Self, Failure> {
        let failed = |e: fits_header_cache::Error| Failure::of(Class::Input, &e);
        let file = FitsFile::read(image).map_err(failed)?;
        let hdu = file.image().map_err(failed)?;
        let celestial = hdu.celestial().map_err(failed)?.clone();
        let say = |what: &str| Failure::new(Class::Input, format!("{}: {what}", image.display()));
        let freq_hz = tile_validate::frequency_hz(hdu)
            .map_err(failed)?
            .filter(|freq| *freq > 0.0)
            .ok_or_else(|| say("its frequency is not known").hint("an axis FREQ or RESTFRQ says it"))?;
        let pixel = |axis: usize| hdu.header().real(&format!("CRPIX{}", axis + 1)).map_err(failed);
        let [x, y] = celestial.axes();
        let (x, y) = (pixel(x)?.unwrap_or(0.0), pixel(y)?.unwrap_or(0.0));
        let pointing = celestial.sky(x, y).ok_or_else(|| say("its reference pixel is not on the sky"))?;
        let read = |e: &io::Error| Failure::io(Class::Input, format!("cannot read {}", image.display()), e);
        let cards = Cards::read(image).map_err(|e| read(&e))?;
        let header = header(&cards, dish_m, freq_hz);
        Ok(Self { header, celestial, pointing, scale: PI * dish_m * freq_hz / LIGHT_M_S, freq_hz })
    }

    /// Its power at pixel (x, y), counted from 1; not a number where there is no sky.
    fn at(&self, x: f64, y: f64) -> f32 {
        let Some(sky) = self.celestial.sky(x, y) else { return f32::NAN };
        airy(self.scale * sky.separation_deg(&self.pointing).to_radians().sin()) as f32
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = beside(path);
        self.write_to(&temporary).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        })
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let [width, height] = self.celestial.size();
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&self.header)?;
        for first in (0..height).step_by(ROWS as usize) {
            let rows: Vec<Vec<u8>> = (first..height.min(first + ROWS))
                .into_par_iter()
                .map(|y| (0..width).flat_map(|x| self.at((x + 1) as f64, (y + 1) as f64).to_be_bytes()).collect())
                .collect();
            for row in rows {
                file.write_all(&row)?;
            }
        }
        let bytes = width * height * 4;
        let padding = bytes.next_multiple_of(2880) - bytes;
        file.write_all(&vec![0; padding as usize])?;
        file.flush()
    }
}

/// (2 J₁(x)/x)².
fn airy(x: f64) -> f64 {
    if x.abs() < 1e-6 {
        return 1.0;
    }
    let amplitude = 2.0 * libm::j1(x) / x;
    amplitude * amplitude
}

/// The image's grid, place and time, one plane of 32-bit floats.
fn header(image: &Cards, dish_m: f64, freq_hz: f64) -> Vec<u8> {
    let kept = |card: &&Card| {
        let name = keyword(card);
        let places = ["NAXIS", "CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT", "CROTA", "PC", "CD", "PV"];
        let names =
            ["LONPOLE", "LATPOLE", "EQUINOX", "RADESYS", "SPECSYS", "TELESCOP", "OBJECT", "DATE-OBS", "RESTFRQ"];
        let is_place = places
            .iter()
            .any(|place| name.strip_prefix(place).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit() || b == b'_')));
        is_place || names.contains(&name)
    };
    let mut cards = vec![card("SIMPLE", "=                    T"), card("BITPIX", "=                  -32")];
    let (axes, rest): (Vec<Card>, Vec<Card>) =
        image.cards.iter().filter(kept).copied().partition(|card| keyword(card).starts_with("NAXIS"));
    cards.extend(axes);
    cards.push(card("BUNIT", "= '        '"));
    cards.push(card("BTYPE", "= 'PRIMARY BEAM'"));
    cards.extend(rest);
    cards.extend(history_cards(&format!(
        "contimg {} beam: (2 J1(x)/x)^2 of a round dish of {dish_m} m at {freq_hz} Hz",
        env!("CARGO_PKG_VERSION")
    )));
    Cards { cards, data_at: 0 }.bytes()
}

#[cfg(test)]
mod tests {
    use super::airy;

    #[test]
    fn the_disc_has_its_known_values() {
        // Its first zero, and where it is half as high (Born & Wolf, 8.5.2).
        assert!((airy(0.0) - 1.0).abs() < 1e-15 && airy(3.831_705_970_207_512) < 1e-20);
        assert!((airy(1.616_339_948_310_703) - 0.5).abs() < 1e-9);
    }
}
