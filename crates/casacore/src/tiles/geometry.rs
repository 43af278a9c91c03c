//! Where the values of a tiled column are.

use std::ops::Range;

/// The shape of a column and of its tiles: `[row, channel, correlation]`, the last axis fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) rows: u64,
    /// Channels and correlations of a cell.
    pub(super) cell: [usize; 2],
    /// Rows, channels and correlations of a tile.
    pub(super) tile: [usize; 3],
}

/// The part of one tile that a window covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The tile's place in the file.
    pub(super) tile: u64,
    /// First row, channel and correlation within the tile.
    pub(super) from: [usize; 3],
    /// How many of each.
    pub(super) count: [usize; 3],
    /// First row, channel and correlation within the window.
    pub(super) to: [usize; 3],
}

impl Geometry {
    /// Tiles along rows, channels and correlations.
    pub(super) fn grid(&self) -> [usize; 3] {
        let rows = self.rows.div_ceil(self.tile[0] as u64);
        [
            usize::try_from(rows).unwrap_or(usize::MAX),
            self.cell[0].div_ceil(self.tile[1]),
            self.cell[1].div_ceil(self.tile[2]),
        ]
    }

    /// The values of a tile.
    pub(super) fn tile_values(&self) -> usize {
        self.tile.iter().product()
    }

    /// The values of a window of channels in one row.
    pub(super) fn row_values(&self, channels: &Range<usize>) -> usize {
        channels.len() * self.cell[1]
    }

    /// Whether the window covers every tile that it touches, counting what is beyond the column's ends as covered.
    pub(super) fn covers_tiles(&self, rows: &Range<u64>, channels: &Range<usize>) -> bool {
        let tile_rows = self.tile[0] as u64;
        rows.start.is_multiple_of(tile_rows)
            && (rows.end.is_multiple_of(tile_rows) || rows.end == self.rows)
            && channels.start.is_multiple_of(self.tile[1])
            && (channels.end.is_multiple_of(self.tile[1]) || channels.end == self.cell[0])
    }

    /// Whether rows of the window follow each other in the file without a gap, over the tiles' ends.
    pub(super) fn is_plain(&self, channels: &Range<usize>) -> bool {
        self.tile[1..] == self.cell && *channels == (0..self.cell[0])
    }

    /// The pieces of a window, in the order of the file. Rows and channels must be within the column.
    pub(super) fn pieces(&self, rows: Range<u64>, channels: Range<usize>) -> impl Iterator<Item = Piece> + use<> {
        let Self { tile, cell, .. } = *self;
        let [_, grid_channels, grid_correlations] = self.grid();
        let cut = |range: Range<u64>, step: usize| {
            let step = step as u64;
            let tiles = if range.is_empty() { 0..0 } else { range.start / step..range.end.div_ceil(step) };
            tiles.map(move |tile| {
                let (first, last) = (range.start.max(tile * step), range.end.min((tile + 1) * step));
                // Within a tile and within a window, so they are small.
                ((first - tile * step) as usize, (last - first) as usize, (first - range.start) as usize, tile)
            })
        };
        let channels = channels.start as u64..channels.end as u64;
        cut(rows, tile[0]).flat_map(move |row| {
            let channels = channels.clone();
            cut(channels, tile[1]).flat_map(move |channel| {
                cut(0..cell[1] as u64, tile[2]).map(move |correlation| Piece {
                    tile: (row.3 * grid_channels as u64 + channel.3) * grid_correlations as u64 + correlation.3,
                    from: [row.0, channel.0, correlation.0],
                    count: [row.1, channel.1, correlation.1],
                    to: [row.2, channel.2, correlation.2],
                })
            })
        })
    }

    /// The piece's first value in its tile and the number of values from there to the end of its last row.
    pub(super) fn span(&self, piece: &Piece) -> Range<usize> {
        let row = self.tile[1] * self.tile[2];
        piece.from[0] * row..(piece.from[0] + piece.count[0]) * row
    }

    /// Whether the piece's rows lie in the tile as they lie in a window of `channels` channels.
    pub(super) fn is_contiguous(&self, piece: &Piece, channels: usize) -> bool {
        piece.count[1] == channels && self.tile[1] == channels && self.tile[2] == self.cell[1]
    }

    /// Calls `copy` with the first value in the piece's span, the first in the window, and the length of each run of
    /// values that follow each other in both.
    pub(super) fn runs(&self, piece: &Piece, channels: usize, mut copy: impl FnMut(usize, usize, usize)) {
        let [_, tile_channels, tile_correlations] = self.tile;
        let correlations = self.cell[1];
        let [rows, in_channels, in_correlations] = piece.count;
        let whole = in_correlations == tile_correlations && in_correlations == correlations;
        for row in 0..rows {
            let in_tile = row * tile_channels + piece.from[1];
            let in_window = (piece.to[0] + row) * channels + piece.to[1];
            if whole {
                copy(in_tile * correlations, in_window * correlations, in_channels * correlations);
            } else {
                for channel in 0..in_channels {
                    copy(
                        (in_tile + channel) * tile_correlations + piece.from[2],
                        (in_window + channel) * correlations + piece.to[2],
                        in_correlations,
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value of a window is in exactly one run, and lies where the definition of tiles says.
    #[test]
    fn runs_cover_the_window_once() {
        for (cell, tile) in [([8, 2], [4, 3, 2]), ([7, 4], [5, 2, 3]), ([5, 1], [3, 5, 1]), ([6, 2], [2, 2, 1])] {
            let g = Geometry { rows: 11, cell, tile };
            let [_, grid_channels, grid_correlations] = g.grid();
            for (rows, channels) in [(0..11, 0..cell[0]), (3..10, 1..cell[0]), (5..6, 2..4), (4..4, 0..1)] {
                let width = channels.len();
                let mut place = vec![None; (rows.end - rows.start) as usize * width * cell[1]];
                for piece in g.pieces(rows.clone(), channels.clone()) {
                    let start = piece.tile as usize * g.tile_values() + g.span(&piece).start;
                    g.runs(&piece, width, |from, to, length| {
                        for i in 0..length {
                            assert_eq!(place[to + i].replace(start + from + i), None);
                        }
                    });
                }
                for (i, found) in place.into_iter().enumerate() {
                    let correlation = i % cell[1];
                    let channel = channels.start + i / cell[1] % width;
                    let row = rows.start as usize + i / cell[1] / width;
                    let number =
                        (row / tile[0] * grid_channels + channel / tile[1]) * grid_correlations + correlation / tile[2];
                    let within = (row % tile[0] * tile[1] + channel % tile[1]) * tile[2] + correlation % tile[2];
                    assert_eq!(found, Some(number * g.tile_values() + within));
                }
            }
        }
    }

    #[test]
    fn whole_tiles_end_at_tiles_or_at_the_column() {
        let g = Geometry { rows: 11, cell: [7, 2], tile: [4, 3, 2] };
        assert!(g.covers_tiles(&(4..11), &(3..7)) && g.covers_tiles(&(0..8), &(0..3)));
        assert!(!g.covers_tiles(&(4..10), &(0..3)) && !g.covers_tiles(&(0..4), &(1..3)));
    }
}
