//! `contimg __check`: whether a stage's input or product is worth the name. Stages of plans call it.

use std::{path::PathBuf, process::ExitCode};

use casacore::Table;
use clap::Subcommand;
use fits_header_cache::{Area, FitsFile, Pixels};
use vis_types::Complex32;

use crate::{
    failure::{Class, Failure},
    output::outln,
};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// A column of visibilities: it is there, and of its unflagged values at least one in a hundred is not zero.
    Column { set: PathBuf, column: String },
    /// An image: its pixels are there, most are finite, and they are not all the same.
    Image { image: PathBuf },
    /// The sources of a sky model that lie in an image: each is found there, at its place and with its flux.
    Sources {
        image: PathBuf,
        /// The sky model.
        #[arg(long)]
        sky: PathBuf,
        /// A source may be off by this part of the beam.
        #[arg(long, default_value_t = 0.2)]
        beams: f64,
        /// Its flux may be off by this part.
        #[arg(long, default_value_t = 0.05)]
        flux: f64,
    },
}

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    match &args.what {
        What::Column { set, column } => check_column(set, column),
        What::Image { image } => check_image(image),
        What::Sources { image, sky, beams, flux } => {
            let found = super::sources::find(image, sky)?;
            let mut wrong = 0;
            for source in &found {
                let good = source.beams <= *beams && (source.flux_ratio - 1.0).abs() <= *flux;
                wrong += usize::from(!good);
                let verdict = if good { "good" } else { "WRONG" };
                outln!("{source}: {verdict}");
            }
            if found.is_empty() || wrong > 0 {
                let what = format!("{}: {wrong} of {} sources are wrong", image.display(), found.len());
                return Err(Failure::new(Class::Input, what)
                    .hint(format!("within {beams} beams and {} % in flux were allowed", 100.0 * flux)));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check_image(image: &std::path::Path) -> Result<ExitCode, Failure> {
    let failed = |e: fits_header_cache::Error| Failure::of(Class::Input, &e);
    let file = FitsFile::read(image).map_err(failed)?;
    let hdu = file.image().map_err(failed)?;
    let statistics = Pixels::of(&file, hdu).and_then(|pixels| pixels.statistics(&Area::All)).map_err(failed)?;
    let finite = statistics.finite_fraction().unwrap_or(0.0);
    let say = |what: String| Err(Failure::new(Class::Input, format!("{}: {what}", image.display())));
    if finite < 0.5 {
        return say(format!("only {:.1} % of its pixels are finite", 100.0 * finite));
    }
    let (Some(noise), Some(peak)) = (statistics.noise(), statistics.peak()) else {
        return say("it has no pixel".to_owned());
    };
    if noise.is_nan() || noise <= 0.0 {
        return say("its pixels are all the same".to_owned());
    }
    outln!("{}: noise {noise:.3e}, peak {peak:.3e}, {:.2} % finite", image.display(), 100.0 * finite);
    Ok(ExitCode::SUCCESS)
}

/// Rows are looked at in so many blocks, evenly spaced, of so many bytes.
const BLOCKS: u64 = 64;
const BLOCK_BYTES: u64 = 1 << 20;

fn check_column(set: &std::path::Path, column: &str) -> Result<ExitCode, Failure> {
    let failed = |e: casacore::Error| Failure::of(Class::Input, &e);
    let table = Table::open(set).map_err(failed)?;
    let rows = table.rows().map_err(failed)?;
    let of = format!("{column} of {}", set.display());
    let mut start = 0;
    let (mut looked_at, mut good, mut not_finite, mut unflagged) = (0_u64, 0_u64, 0_u64, 0_u64);
    while start < rows {
        let Some(shape) = table.cell_shape(column, start).map_err(failed)? else {
            return Err(Failure::new(Class::Input, format!("{of}: row {start} was never written")));
        };
        let cell = shape.iter().product::<usize>().max(1);
        let count = (BLOCK_BYTES / (cell as u64 * 8)).clamp(1, rows - start);
        // Rows of one block may differ in shape at the border of two windows; then it is one row.
        let same = table.cell_shape(column, start + count - 1).map_err(failed)?.is_some_and(|last| last == shape);
        let block = start..start + if same { count } else { 1 };
        let values: Vec<Complex32> = table.read_vec(column, block.clone()).map_err(failed)?;
        let flags: Vec<bool> = table.read_vec("FLAG", block.clone()).map_err(failed)?;
        for (value, flag) in values.iter().zip(&flags) {
            looked_at += 1;
            if *flag {
                continue;
            }
            unflagged += 1;
            not_finite += u64::from(!value.re.is_finite() || !value.im.is_finite());
            good += u64::from(value.norm() > 1e-10);
        }
        start = (start + (rows / BLOCKS).max(1)).max(block.end);
    }
    let say = |what: String, hint: &str| Err(Failure::new(Class::Input, format!("{of}: {what}")).hint(hint));
    if unflagged == 0 {
        return say(format!("all of {looked_at} values looked at are flagged"), "look at the flags: `contimg flags`");
    }
    if not_finite > 0 {
        return say(format!("{not_finite} of {unflagged} unflagged values are not finite"), "flag them first");
    }
    if good * 100 < unflagged {
        return say(
            format!("{good} of {unflagged} unflagged values are not zero, fewer than one in a hundred"),
            "nothing was written there: the stage that fills it has to run first",
        );
    }
    outln!("{of}: {good} of {unflagged} unflagged values are not zero");
    Ok(ExitCode::SUCCESS)
}
