//! Into and from ndarray's views, without a copy.

use ndarray::{ArrayView, ArrayViewMut, Axis, RemoveAxis};

use super::{Access, Column, Selection, buffer};
use crate::{Element, Error, Result, Rows};

/// Rows that are moved at once where they cannot go straight to the view.
const ROWS_AT_ONCE: usize = 256;

impl Column {
    /// Reads what is selected into a view, `[row, part of the cell…]`.
    ///
    /// Values go straight to views whose elements follow each other in C order, and, by tiles, to views whose rows are
    /// such and lie apart, as a window of channels of a larger array. Others are filled a few rows at a time.
    ///
    /// ```
    /// use casacore::{Column, ColumnDesc, DataType, Layout, Manager, Selection};
    /// use ndarray::{Array3, s};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("small.ms");
    /// let mut table = Layout::new()
    ///     .column(ColumnDesc::fixed("DATA", DataType::F32, [4, 2]))
    ///     .manager(Manager::tiled_column("Tiled", [32, 4, 2]).holding(["DATA"]))
    ///     .create(&path, 10)?;
    /// table.write("DATA", 0..10, &(0..80).map(|i| i as f32).collect::<Vec<_>>())?;
    /// table.close()?;
    ///
    /// // Two channels into the middle of an array of six.
    /// let mut all = Array3::<f32>::zeros((10, 6, 2));
    /// let data = Column::open(&path, "DATA")?;
    /// data.read_array(&Selection::all().channels(1..3), all.slice_mut(s![.., 2..4, ..]))?;
    /// assert_eq!(all.slice(s![9, .., 0]).to_vec(), [0.0, 0.0, 74.0, 76.0, 0.0, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::Shape`] where the view has another shape than what is selected.
    pub fn read_array<T: Element, D: RemoveAxis>(
        &self,
        selection: &Selection<'_>,
        mut out: ArrayViewMut<'_, T, D>,
    ) -> Result<()> {
        let rows = self.fit(selection, out.shape())?;
        if let Some(out) = out.as_slice_mut() {
            return self.read_rows(&rows, selection, out);
        }
        if let (Access::Tiles(tiles), Rows::Range(range)) = (&self.access, &rows)
            && let Some(part) = selection.part.slice(tiles.cell_shape()).and_then(|slice| slice.window())
        {
            let apart: Option<Vec<&mut [T]>> = out.axis_iter_mut(Axis(0)).map(|row| row.into_slice()).collect();
            if let Some(mut apart) = apart {
                return tiles.par_read_rows(range.clone(), &part, &mut apart);
            }
        }
        let mut values: Vec<T> = Vec::new();
        let mut first = 0;
        for mut block in out.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE) {
            let count = block.len_of(Axis(0));
            if block.len() != values.len() {
                values = buffer(&self.table_path(), Some(block.len()))?;
            }
            self.read_rows(&super::chunks::part(&rows, first, count), selection, &mut values)?;
            block.iter_mut().zip(&values).for_each(|(out, value)| *out = *value);
            first += count;
        }
        Ok(())
    }

    /// Writes a view, `[row, part of the cell…]`, to what is selected; views as for [`Self::read_array`].
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; [`Error::Shape`] where the view has another shape than what is selected.
    pub fn write_array<T: Element, D: RemoveAxis>(
        &self,
        selection: &Selection<'_>,
        values: ArrayView<'_, T, D>,
    ) -> Result<()> {
        let rows = self.fit(selection, values.shape())?;
        if let Some(values) = values.as_slice() {
            return self.write_rows(&rows, selection, values);
        }
        if let (Access::Tiles(tiles), Rows::Range(range)) = (&self.access, &rows)
            && let Some(part) = selection.part.slice(tiles.cell_shape()).and_then(|slice| slice.window())
        {
            let apart: Option<Vec<&[T]>> = values.axis_iter(Axis(0)).map(|row| row.to_slice()).collect();
            if let Some(apart) = apart {
                return tiles.par_update_rows(range.clone(), &part, &apart);
            }
        }
        let mut first = 0;
        for block in values.axis_chunks_iter(Axis(0), ROWS_AT_ONCE) {
            let count = block.len_of(Axis(0));
            let values: Vec<T> = block.iter().copied().collect();
            self.write_rows(&super::chunks::part(&rows, first, count), selection, &values)?;
            first += count;
        }
        Ok(())
    }

    /// The rows that are selected, if an array of `shape` holds what is selected of them.
    fn fit<'r>(&self, selection: &Selection<'r>, shape: &[usize]) -> Result<Rows<'r>> {
        let rows = selection.rows_of(self.rows);
        self.check_rows(&rows)?;
        let part = self.part_shape(selection)?;
        let fits = match (shape.split_first(), &part) {
            (Some((&first, rest)), Some(part)) => first as u64 == rows.len() && rest == part,
            // Cells of variable shape: reading compares them with the length.
            (Some((&first, _)), None) => first as u64 == rows.len(),
            (None, _) => false,
        };
        if fits {
            return Ok(rows);
        }
        let part = part.map_or("cells of their own shapes".to_owned(), |part| format!("{part:?}"));
        let found = format!("{} rows of {part} of column {} and a view of {shape:?}", rows.len(), self.name);
        Err(Error::Shape { path: self.table_path(), column: self.name.clone(), row: None, found })
    }
}
