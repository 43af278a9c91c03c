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

/// Rows, channels and correlations of a column, all within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) rows: Range<u64>,
    pub(super) channels: Range<usize>,
    pub(super) correlations: Range<usize>,
}

impl Window {
    /// The values of one row.
    pub(super) fn row_values(&self) -> usize {
        self.channels.len() * self.correlations.len()
    }

    /// The same part of other rows.
    pub(super) fn of_rows(&self, rows: Range<u64>) -> Self {
        Self { rows, ..self.clone() }
    }
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

/// Values that follow each other both in a tile and in one row of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first one's place after the start of the first row that was asked for in the tile.
    pub(super) from: usize,
    /// The window's row, and the first one's place in it.
    pub(super) row: usize,
    pub(super) to: usize,
    pub(super) length: usize,
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

    /// The values of one row of a tile.
    pub(super) fn tile_row(&self) -> usize {
        self.tile[1] * self.tile[2]
    }

    /// All correlations of some rows and channels.
    pub(super) fn window(&self, rows: Range<u64>, channels: Range<usize>) -> Window {
        Window { rows, channels, correlations: 0..self.cell[1] }
    }

    /// Whether the window covers every tile that it touches, counting what is beyond the column's ends as covered.
    pub(super) fn covers_tiles(&self, window: &Window) -> bool {
        let tile_rows = self.tile[0] as u64;
        let rows = &window.rows;
        let covers = |range: &Range<usize>, axis: usize| {
            let (tile, end) = (self.tile[axis + 1], self.cell[axis]);
            range.start.is_multiple_of(tile) && (range.end.is_multiple_of(tile) || range.end == end)
        };
        rows.start.is_multiple_of(tile_rows)
            && (rows.end.is_multiple_of(tile_rows) || rows.end == self.rows)
            && covers(&window.channels, 0)
            && covers(&window.correlations, 1)
    }

    /// Whether rows of the window follow each other in the file without a gap, over the tiles' ends.
    pub(super) fn is_plain(&self, window: &Window) -> bool {
        self.tile[1..] == self.cell && window.row_values() == self.tile_row()
    }

    /// Whether the piece covers its rows of the tile, but for what lies beyond the cell's ends.
    pub(super) fn covers_rows(&self, piece: &Piece, window: &Window) -> bool {
        let covers = |range: &Range<usize>, axis: usize| {
            let (from, count) = (piece.from[axis + 1], piece.count[axis + 1]);
            let first = range.start + piece.to[axis + 1];
            from == 0 && (count == self.tile[axis + 1] || first + count == self.cell[axis])
        };
        covers(&window.channels, 0) && covers(&window.correlations, 1)
    }

    /// The pieces of a window, in the order of the file. The window must be within the column.
    pub(super) fn pieces(&self, window: &Window) -> impl Iterator<Item = Piece> + use<> {
        let tile = self.tile;
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
        let wide = |range: &Range<usize>| range.start as u64..range.end as u64;
        let (channels, correlations) = (wide(&window.channels), wide(&window.correlations));
        cut(window.rows.clone(), tile[0]).flat_map(move |row| {
            let correlations = correlations.clone();
            cut(channels.clone(), tile[1]).flat_map(move |channel| {
                cut(correlations.clone(), tile[2]).map(move |correlation| Piece {
                    tile: (row.3 * grid_channels as u64 + channel.3) * grid_correlations as u64 + correlation.3,
                    from: [row.0, channel.0, correlation.0],
                    count: [row.1, channel.1, correlation.1],
                    to: [row.2, channel.2, correlation.2],
                })
            })
        })
    }

    /// Whether the piece's rows lie in the tile as they lie in the window.
    pub(super) fn is_contiguous(&self, piece: &Piece, window: &Window) -> bool {
        piece.count[1..] == self.tile[1..] && window.row_values() == self.tile_row()
    }

    /// Calls `copy` with each run of some of the piece's rows, counted from its first.
    pub(super) fn runs(&self, piece: &Piece, window: &Window, rows: Range<usize>, mut copy: impl FnMut(Run)) {
        let [_, tile_channels, tile_correlations] = self.tile;
        let correlations = window.correlations.len();
        let [_, in_channels, in_correlations] = piece.count;
        let whole = in_correlations == tile_correlations && in_correlations == correlations;
        let first = rows.start;
        for row in rows {
            let in_tile = (row - first) * tile_channels + piece.from[1];
            let (row, in_row) = (piece.to[0] + row, piece.to[1]);
            if whole {
                let (from, to) = (in_tile * correlations, in_row * correlations);
                copy(Run { from, row, to, length: in_channels * correlations });
            } else {
                for channel in 0..in_channels {
                    let from = (in_tile + channel) * tile_correlations + piece.from[2];
                    let to = (in_row + channel) * correlations + piece.to[2];
                    copy(Run { from, row, to, length: in_correlations });
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
                for correlations in [0..cell[1], cell[1] - 1..cell[1], 0..1] {
                    let window = Window { rows: rows.clone(), channels: channels.clone(), correlations };
                    let (width, depth) = (channels.len(), window.correlations.len());
                    let mut place = vec![None; (rows.end - rows.start) as usize * width * depth];
                    for piece in g.pieces(&window) {
                        for first in 0..piece.count[0] {
                            let start = piece.tile as usize * g.tile_values() + (piece.from[0] + first) * g.tile_row();
                            g.runs(&piece, &window, first..first + 1, |run| {
                                for i in 0..run.length {
                                    let to = run.row * width * depth + run.to + i;
                                    assert_eq!(place[to].replace(start + run.from + i), None);
                                }
                            });
                        }
                    }
                    for (i, found) in place.into_iter().enumerate() {
                        let correlation = window.correlations.start + i % depth;
                        let channel = channels.start + i / depth % width;
                        let row = rows.start as usize + i / depth / width;
                        let number = (row / tile[0] * grid_channels + channel / tile[1]) * grid_correlations
                            + correlation / tile[2];
                        let within = (row % tile[0] * tile[1] + channel % tile[1]) * tile[2] + correlation % tile[2];
                        assert_eq!(found, Some(number * g.tile_values() + within));
                    }
                }
            }
        }
    }

    #[test]
    fn whole_tiles_end_at_tiles_or_at_the_column() {
        let g = Geometry { rows: 11, cell: [7, 2], tile: [4, 3, 2] };
        let covers = |rows, channels| g.covers_tiles(&g.window(rows, channels));
        assert!(covers(4..11, 3..7) && covers(0..8, 0..3));
        assert!(!covers(4..10, 0..3) && !covers(0..4, 1..3));
        assert!(!g.covers_tiles(&Window { rows: 0..4, channels: 0..3, correlations: 1..2 }));
    }

    #[test]
    fn rows_are_covered_to_the_ends_of_the_cell() {
        let g = Geometry { rows: 11, cell: [7, 2], tile: [4, 3, 2] };
        let all = |window: Window| g.pieces(&window).all(|piece| g.covers_rows(&piece, &window));
        assert!(all(g.window(1..6, 0..7)) && all(g.window(1..2, 3..7)) && all(g.window(1..2, 3..6)));
        assert!(!all(g.window(1..2, 2..7)) && !all(g.window(1..2, 0..2)));
    }
}
