//! The flagged fraction from some tiles chosen at random, with a bound on its error that holds whatever the flags are.
//!
//! For tables on slow disks. Tiles are drawn without replacement, each as likely as any other, and the fraction of each is
//! counted exactly. The bound is that of Bardenet and Maillard, "Concentration inequalities for sampling without
//! replacement" (Bernoulli 21, 2015): Hoeffding–Serfling (theorem 2.4) and empirical Bernstein–Serfling (theorem 4.3), each
//! with half of the chance to err, of which the narrower part is taken. Neither assumes anything of the flags: they may be
//! all in one antenna, one channel or one minute.

use std::path::Path;

use casacore::plain::Reader;
use casacore::tiles::TiledColumn;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::count::Piece;
use crate::read::load;

/// Choices of an estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimateOptions {
    /// How many tiles are read; with as many as there are, the estimate is exact. Default 64.
    pub tiles: usize,
    /// The least probability, over the choice of tiles, with which each of the two fractions is within its bounds. Between 0 and
    /// 1, both excluded. Default 0.99.
    pub confidence: f64,
    /// Of the random choice; none for another one each time. Default none.
    pub seed: Option<u64>,
}

impl Default for EstimateOptions {
    fn default() -> Self {
        Self { tiles: 64, confidence: 0.99, seed: None }
    }
}

/// A fraction and where it must be.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Bounded {
    /// The estimate: the mean over the tiles that were read.
    pub fraction: f64,
    /// With the chosen confidence, the true fraction is not below this,
    pub low: f64,
    /// and not above this.
    pub high: f64,
}

/// What [`estimate`] found. Auto- and cross-correlations are together.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    /// The fraction of flags that FLAG sets.
    pub flag: Bounded,
    /// The fraction that FLAG or FLAG_ROW sets.
    pub flag_or_row: Bounded,
    /// With what probability each is within its bounds.
    pub confidence: f64,
    /// The tiles that were read.
    pub tiles_read: usize,
    /// All tiles.
    pub tiles: usize,
    /// The bytes of FLAG that were read.
    pub bytes_read: u64,
}

/// Estimates the flagged fraction of the set at `path` from tiles chosen at random.
///
/// Reads those tiles of FLAG, in the order of the file, and FLAG_ROW of their rows.
///
/// # Errors
/// [`Error::Confidence`]; [`Error::Table`] with [`casacore::Error::NotTiled`] where FLAG is not one set of tiles: count it
/// instead; what else is wrong with the set.
pub fn estimate(path: impl AsRef<Path>, options: &EstimateOptions) -> Result<Estimate, Error> {
    let path = path.as_ref();
    if !(options.confidence > 0.0 && options.confidence < 1.0) {
        return Err(Error::Confidence { found: options.confidence });
    }
    let table = Reader::open(path)?;
    let column = TiledColumn::open(path, "FLAG")?;
    if column.rows() != table.rows()? {
        return Err(Error::Rows { path: table.path().into(), flags: column.rows(), rows: table.rows()? });
    }
    let (tile, grid, shape) = (column.tile(), column.grid(), column.cell());
    let all: usize = grid.iter().product();
    let mut rng = match options.seed {
        Some(seed) => ChaCha8Rng::seed_from_u64(seed),
        None => ChaCha8Rng::from_os_rng(),
    };
    let mut chosen = rand::seq::index::sample(&mut rng, all, options.tiles.clamp(1, all.max(1)).min(all)).into_vec();
    chosen.sort_unstable();

    // The share of a whole tile that each has flagged: a tile at an edge has less to give.
    let whole = (tile.iter().product::<usize>()) as f64;
    let (mut flag, mut either) = (Vec::with_capacity(chosen.len()), Vec::with_capacity(chosen.len()));
    let (mut bytes, mut row_flags) = (vec![0; column.tile_bytes() + 16], Vec::new());
    for &number in &chosen {
        let (correlation, rest) = (number % grid[2], number / grid[2]);
        let (channel, along) = (rest % grid[1], rest / grid[1]);
        let first = (along * tile[0]) as u64;
        let rows = first..column.rows().min(first + tile[0] as u64);
        let tile_bytes = column.tile_bytes();
        column.read_tile_bytes(number, &mut bytes[..tile_bytes])?;
        row_flags.resize((rows.end - rows.start) as usize, false);
        table.read("FLAG_ROW", rows, &mut row_flags)?;
        let pieces = Piece::of_tile(shape, [channel * tile[1], correlation * tile[2]], [tile[1], tile[2]]);
        let counts = pieces.iter().map(|piece| piece_of(&bytes, tile, piece, &row_flags));
        let [set, both] = counts.fold([0_u64; 2], |sum, count| [sum[0] + count[0], sum[1] + count[1]]);
        flag.push(set as f64 / whole);
        either.push(both as f64 / whole);
    }
    // From the mean share of a tile to the fraction of all flags.
    let flags = column.rows() as f64 * (shape[0] * shape[1]) as f64;
    let scale = if flags > 0.0 { all as f64 * whole / flags } else { 0.0 };
    let bounded = |shares: &[f64]| Bounded::of(shares, all, 1.0 - options.confidence, scale);
    Ok(Estimate {
        flag: bounded(&flag),
        flag_or_row: bounded(&either),
        confidence: options.confidence,
        tiles_read: chosen.len(),
        tiles: all,
        bytes_read: (chosen.len() * column.tile_bytes()) as u64,
    })
}

/// The flags of a piece of a tile that FLAG sets, and that FLAG or FLAG_ROW sets.
fn piece_of(bytes: &[u8], tile: [usize; 3], piece: &Piece, row_flags: &[bool]) -> [u64; 2] {
    let mut words = vec![0; piece.words()];
    let cells = piece.cells();
    let mut sum = [0; 2];
    for (row, &row_flag) in row_flags.iter().enumerate() {
        load(bytes, row * tile[1] * tile[2] + piece.first, &mut words);
        let set = piece.count(&words);
        sum[0] += set;
        sum[1] += if row_flag { cells } else { set };
    }
    sum
}

impl Bounded {
    /// From the `shares` of some of `all` tiles, each within 0 and 1, drawn without replacement; with probability of at
    /// least 1 − `err` the bounds hold. `scale` turns the mean share into the fraction that is wanted.
    fn of(shares: &[f64], all: usize, err: f64, scale: f64) -> Self {
        let (n, total) = (shares.len() as f64, all as f64);
        if shares.is_empty() {
            return Self { fraction: 0.0, low: 0.0, high: if all == 0 { 0.0 } else { 1.0 } };
        }
        let mean = shares.iter().sum::<f64>() / n;
        let half = if shares.len() == all { 0.0 } else { half_width(shares, mean, total, err) };
        let bound = |share: f64| (share * scale).clamp(0.0, 1.0);
        Self { fraction: bound(mean), low: bound(mean - half), high: bound(mean + half) }
    }
}

/// Half of the interval around the mean. Each of the two inequalities is one-sided; four events, a quarter of `err` each.
fn half_width(shares: &[f64], mean: f64, all: f64, err: f64) -> f64 {
    let n = shares.len() as f64;
    let event = err / 4.0;
    // ρ of theorems 2.4 and 4.3: it falls to 0 as all are drawn.
    let rho = if n <= all / 2.0 { 1.0 - (n - 1.0) / all } else { (1.0 - n / all) * (1.0 + 1.0 / n) };
    let hoeffding = (rho * (1.0 / event).ln() / (2.0 * n)).sqrt();
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / n;
    let kappa = 7.0 / 3.0 + 3.0 / std::f64::consts::SQRT_2;
    let log = (5.0 / event).ln();
    let bernstein = (2.0 * variance * rho * log / n).sqrt() + kappa * log / n;
    hoeffding.min(bernstein)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_for_flags_of_any_kind() {
        // A thousand tiles: all alike, a few full, half full, spread.
        let worlds: [fn(usize) -> f64; 4] =
            [|_| 0.03, |i| f64::from(u8::from(i % 50 == 0)), |i| f64::from(u8::from(i < 500)), |i| i as f64 / 999.0];
        for world in worlds {
            let shares: Vec<f64> = (0..1000).map(world).collect();
            let truth = shares.iter().sum::<f64>() / 1000.0;
            for confidence in [0.5, 0.9, 0.99] {
                let outside = |seed: u64| {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    let chosen = rand::seq::index::sample(&mut rng, shares.len(), 60);
                    let some: Vec<f64> = chosen.iter().map(|i| shares[i]).collect();
                    let found = Bounded::of(&some, shares.len(), 1.0 - confidence, 1.0);
                    !(found.low..=found.high).contains(&truth)
                };
                let misses = (0..2000).filter(|&seed| outside(seed)).count();
                assert!(misses as f64 <= 2000.0 * (1.0 - confidence), "{misses} of 2000 outside at {confidence}");
            }
        }
    }

    #[test]
    fn bounds_narrow_with_more_tiles_and_close_with_all() {
        let shares: Vec<f64> = (0..400).map(|i| 0.1 + f64::from(u8::from(i % 2 == 0)) * 0.02).collect();
        let width = |n: usize| {
            let found = Bounded::of(&shares[..n], shares.len(), 0.01, 1.0);
            found.high - found.low
        };
        assert!(width(20) > width(100) && width(100) > width(390) && width(390) > 0.0);
        assert_eq!(width(400), 0.0);
    }
}
