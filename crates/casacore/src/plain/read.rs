//! Reading columns.

use std::ops::Range;

use super::arrays::Place;
use super::store::{Buckets, Budget, Run};
use super::table::{Form, Found, NotPlain, not_plain};
use crate::aipsio::Cursor;
use crate::layout::Cell;
use crate::record::text;
use crate::{DataType, Element, Endian, Error, PlainTable, Ragged, Result};

impl PlainTable {
    /// Reads rows of a column into `out`: one value a row for scalars, `[row, cell axes…]` with the last axis fastest
    /// for arrays of one shape. `out` must be exactly as long.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::Type`], [`Error::RowRange`], [`Error::Shape`] where cells differ or `out` does not
    /// fit, [`Error::Undefined`]; [`Error::NotPlain`]; [`Error::Damaged`], [`Error::Truncated`], [`Error::Io`].
    pub fn read<T: Element>(&self, column: &str, rows: Range<u64>, out: &mut [T]) -> Result<()> {
        let found = self.typed::<T>(column)?;
        self.check(column, &rows)?;
        match found.form {
            Form::Values => self.values(&found, rows, out)?,
            _ => self.same_arrays(&found, rows, out)?,
        }
        self.operations.read(size_of_val(out));
        Ok(())
    }

    /// As [`Self::read`], into a new vector of at most 1 GiB.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_vec<T: Element>(&self, column: &str, rows: Range<u64>) -> Result<Vec<T>> {
        let found = self.typed::<T>(column)?;
        self.check(column, &rows)?;
        let per_row = match found.form {
            Form::Values => found.values,
            _ if rows.is_empty() => 0,
            // Every cell must have the shape of the first: `read` refuses the others.
            _ => self
                .array_of(&found, rows.start)?
                .map_or_else(|| self.undefined(column, rows.start), |a| Ok(a.values))?,
        };
        let total = count(&rows).saturating_mul(per_row);
        Budget::new(&self.path, column).spend(total.saturating_mul(size_of::<T>()))?;
        let mut out = vec![T::default(); total];
        self.read(column, rows, &mut out)?;
        Ok(out)
    }

    /// Reads rows of a column of scalars as runs of rows with one value, which are few where values repeat. Neighbouring runs
    /// differ to the last bit. An incremental manager keeps values so, and gives them whatever the number of rows.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::Shape`] for a column of arrays.
    pub fn read_runs<T: Element>(&self, column: &str, rows: Range<u64>) -> Result<Vec<(Range<u64>, T)>> {
        let found = self.typed::<T>(column)?;
        self.check(column, &rows)?;
        if found.cell != Cell::Scalar {
            return Err(self.shape(column, None, format!("column {column} holds arrays")));
        }
        let bits = if T::TYPE == DataType::Bool { 1 } else { 8 * size_of::<T>() as u64 };
        let (endian, mut values, mut runs) = (found.store.endian, Vec::new(), Vec::<(Range<u64>, T)>::new());
        found.store.visit(found.number, bits, rows, |run| {
            values.resize(if run.repeated { 1 } else { run.len() }, T::default());
            if T::decode(run.bytes, run.bit, endian, &mut values).is_none() {
                return found.store.file().damaged(run.at, "values that end early");
            }
            extend(&mut runs, run.rows, &values);
            Ok(())
        })?;
        self.operations.read(size_of_val(runs.as_slice()));
        Ok(runs)
    }

    /// Reads cells of an array column, each with its own shape or undefined; at most 1 GiB.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; [`Error::Shape`] for a column of scalars.
    pub fn read_ragged<T: Element>(&self, column: &str, rows: Range<u64>) -> Result<Ragged<T>> {
        let found = self.typed::<T>(column)?;
        self.check(column, &rows)?;
        let mut ragged = Ragged { shapes: Vec::new(), values: Vec::new() };
        let mut budget = Budget::new(&self.path, column);
        match &found.cell {
            Cell::Scalar => return Err(self.shape(column, None, format!("column {column} holds scalars"))),
            Cell::Fixed(shape) if found.form == Form::Values => {
                let shape_bytes = size_of::<Vec<usize>>() + size_of_val(shape.as_slice());
                let per_row = found.values.saturating_mul(size_of::<T>()).saturating_add(shape_bytes);
                budget.spend(count(&rows).saturating_mul(per_row))?;
                ragged.shapes = vec![Some(shape.clone()); count(&rows)];
                ragged.values = vec![T::default(); count(&rows) * found.values];
                self.values(&found, rows, &mut ragged.values)?;
            }
            Cell::Fixed(_) | Cell::Variable(_) => {
                let mut scratch = Vec::new();
                self.arrays(&found, rows, |_, array| {
                    budget.spend(size_of::<Option<Vec<usize>>>())?;
                    let Some(array) = array else {
                        ragged.shapes.push(None);
                        return Ok(());
                    };
                    let file = found.store.arrays()?;
                    file.holds::<T>(&array)?;
                    budget.spend(array.values.saturating_mul(size_of::<T>()).saturating_add(8 * array.shape.len()))?;
                    let start = ragged.values.len();
                    ragged.values.resize(start + array.values, T::default());
                    file.values(&array, &mut scratch, &mut ragged.values[start..])?;
                    ragged.shapes.push(Some(array.shape));
                    Ok(())
                })?;
            }
        }
        self.operations.read(size_of_val(ragged.values.as_slice()));
        Ok(ragged)
    }

    /// Reads strings: one a row, or `[row, cell axes…]` for arrays of one shape; at most 1 GiB.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_strings(&self, column: &str, rows: Range<u64>) -> Result<Vec<String>> {
        let found = self.text_column(column)?;
        self.check(column, &rows)?;
        if found.form != Form::Text {
            let first = rows.start;
            let Ragged { shapes, values } = self.read_ragged_strings(column, rows)?;
            for (row, shape) in (first..).zip(&shapes) {
                match shape {
                    None => return self.undefined(column, row),
                    Some(shape) if Some(shape) != shapes[0].as_ref() => {
                        let found = format!("column {column} has cells of different shapes");
                        return Err(self.shape(column, Some(row), found));
                    }
                    Some(_) => {}
                }
            }
            return Ok(values);
        }
        let mut strings = Vec::new();
        let mut budget = Budget::new(&self.path, column);
        let bits = if found.max_length > 0 { 8 * u64::from(found.max_length) } else { 96 };
        found.store.visit(found.number, bits, rows, |run| {
            for i in 0..if run.repeated { 1 } else { run.len() } {
                let string = self.one_text(&found, &run, i)?;
                let times = if run.repeated { run.len() } else { 1 };
                budget.spend(string.len().saturating_add(size_of::<String>()).saturating_mul(times))?;
                strings.extend(std::iter::repeat_n(string, times));
            }
            Ok(())
        })?;
        self.operations.read(strings.iter().map(String::len).sum());
        Ok(strings)
    }

    /// Reads cells of an array column of strings, each with its own shape or undefined; at most 1 GiB.
    ///
    /// # Errors
    ///
    /// As [`Self::read_ragged`].
    pub fn read_ragged_strings(&self, column: &str, rows: Range<u64>) -> Result<Ragged<String>> {
        let found = self.text_column(column)?;
        self.check(column, &rows)?;
        let mut ragged = Ragged { shapes: Vec::new(), values: Vec::new() };
        let mut budget = Budget::new(&self.path, column);
        match (&found.cell, found.form) {
            (_, Form::Text | Form::Values) => {
                return Err(self.shape(column, None, format!("column {column} holds scalars")));
            }
            (_, Form::Array) => self.arrays(&found, rows, |_, array| {
                if let Some(array) = &array {
                    found.store.arrays()?.strings(array, &mut budget, &mut ragged.values)?;
                }
                ragged.shapes.push(array.map(|array| array.shape));
                budget.spend(size_of::<Option<Vec<usize>>>())
            })?,
            (_, Form::Texts | Form::ShapedTexts) => found.store.visit(found.number, 96, rows, |run| {
                for i in 0..run.len() {
                    let (shape, values) = self.many_texts(&found, &run, if run.repeated { 0 } else { i })?;
                    let bytes = values.iter().map(|value| value.len() + size_of::<String>()).sum::<usize>();
                    budget.spend(bytes.saturating_add(size_of::<Option<Vec<usize>>>()))?;
                    ragged.values.extend(values);
                    ragged.shapes.push(shape);
                }
                Ok(())
            })?,
        }
        self.operations.read(ragged.values.iter().map(String::len).sum());
        Ok(ragged)
    }
}

impl PlainTable {
    /// The shape of each cell, the last axis fastest and empty for a scalar; none for a cell without a value.
    ///
    /// # Errors
    ///
    /// [`Error::NoColumn`], [`Error::RowRange`]; [`Error::NotPlain`]; [`Error::Damaged`], [`Error::Truncated`], [`Error::Io`].
    pub fn shapes(&self, column: &str, rows: Range<u64>) -> Result<Vec<Option<Vec<usize>>>> {
        let found = self.find(column)?;
        self.check(column, &rows)?;
        let mut budget = Budget::new(&self.path, column);
        budget.spend(count(&rows).saturating_mul(size_of::<Option<Vec<usize>>>()))?;
        let mut shapes = Vec::with_capacity(count(&rows));
        match (&found.cell, found.form) {
            (Cell::Scalar, _) => shapes.resize(count(&rows), Some(Vec::new())),
            (Cell::Fixed(shape), Form::Values | Form::Texts) => {
                budget.spend(count(&rows).saturating_mul(size_of_val(shape.as_slice())))?;
                shapes.resize(count(&rows), Some(shape.clone()));
            }
            (_, Form::Array) => self.arrays(&found, rows, |_, array| {
                let shape = array.map(|array| array.shape);
                budget.spend(shape.as_ref().map_or(0, |shape| size_of_val(shape.as_slice())))?;
                shapes.push(shape);
                Ok(())
            })?,
            _ => shapes = self.read_ragged_strings(column, rows)?.shapes,
        }
        Ok(shapes)
    }
}

/// Appends rows with these values, or with the one value.
pub(super) fn extend<T: Element>(runs: &mut Vec<(Range<u64>, T)>, rows: Range<u64>, values: &[T]) {
    let mut row = rows.start;
    for group in values.chunk_by(|a, b| a.is_same(*b)) {
        let end = if values.len() == 1 { rows.end } else { row + group.len() as u64 };
        match runs.last_mut() {
            Some((last, value)) if value.is_same(group[0]) => last.end = end,
            _ => runs.push((row..end, group[0])),
        }
        row = end;
    }
}

/// So many rows.
fn count(rows: &Range<u64>) -> usize {
    usize::try_from(rows.end.saturating_sub(rows.start)).unwrap_or(usize::MAX)
}

impl PlainTable {
    fn typed<T: Element>(&self, column: &str) -> Result<Found<'_>> {
        let found = self.find(column)?;
        if found.kind != T::TYPE {
            return Err(Error::type_mismatch(&self.path, column, found.kind, T::TYPE));
        }
        Ok(found)
    }

    fn text_column(&self, column: &str) -> Result<Found<'_>> {
        let found = self.find(column)?;
        if found.kind != DataType::String {
            return Err(Error::type_mismatch(&self.path, column, found.kind, DataType::String));
        }
        Ok(found)
    }

    fn check(&self, column: &str, rows: &Range<u64>) -> Result<()> {
        let total = self.rows()?;
        if rows.end <= total || rows.is_empty() {
            return Ok(());
        }
        let found = format!("the table has {total} rows");
        Err(Error::RowRange { path: self.path.clone(), column: column.into(), row: rows.end - 1, found })
    }

    fn shape(&self, column: &str, row: Option<u64>, found: String) -> Error {
        Error::Shape { path: self.path.clone(), column: column.into(), row, found }
    }

    fn undefined<T>(&self, column: &str, row: u64) -> Result<T> {
        Err(Error::Undefined { path: self.path.clone(), column: column.into(), row })
    }

    /// Refuses an `out` that is not as long as the rows are.
    fn fits(&self, found: &Found<'_>, rows: &Range<u64>, per_row: usize, length: usize) -> Result<()> {
        let needed = count(rows).checked_mul(per_row);
        if needed == Some(length) {
            return Ok(());
        }
        let rows = count(rows);
        let found_text = format!("room for {length} values of column {}: {rows} rows of {per_row}", found.name);
        Err(self.shape(found.name, None, found_text))
    }

    /// Values that are in the buckets themselves.
    fn values<T: Element>(&self, found: &Found<'_>, rows: Range<u64>, out: &mut [T]) -> Result<()> {
        let per_row = found.values;
        self.fits(found, &rows, per_row, out.len())?;
        if out.is_empty() {
            return Ok(());
        }
        let bits = if T::TYPE == DataType::Bool { 1 } else { 8 * size_of::<T>() as u64 };
        let (first, endian) = (rows.start, found.store.endian);
        found.store.visit(found.number, bits.saturating_mul(per_row as u64), rows, |run| {
            let start = (run.rows.start - first) as usize * per_row;
            let part = &mut out[start..start + run.len() * per_row];
            let decoded = if run.repeated {
                let (cell, others) = part.split_at_mut(per_row);
                T::decode(run.bytes, 0, endian, cell).map(|()| match *cell {
                    [value] => others.fill(value),
                    _ => others.chunks_exact_mut(per_row).for_each(|other| other.copy_from_slice(cell)),
                })
            } else {
                T::decode(run.bytes, run.bit, endian, part)
            };
            decoded.map_or_else(|| found.store.file().damaged(run.at, "values that end early"), Ok)
        })
    }

    /// Calls `each` with the row and the array of every cell, or none where it has no value.
    fn arrays(
        &self,
        found: &Found<'_>,
        rows: Range<u64>,
        mut each: impl FnMut(u64, Option<Place>) -> Result<()>,
    ) -> Result<()> {
        if found.form != Form::Array {
            return Err(not_plain(&self.path, Some(found.name), NotPlain::Type));
        }
        found.store.visit(found.number, 64, rows, |run| {
            for (i, row) in run.rows.clone().enumerate() {
                let mut offset = [0_i64];
                let cell = run.bytes.get(if run.repeated { 0 } else { 8 * i }..).unwrap_or_default();
                if i64::decode(cell, 0, found.store.endian, &mut offset).is_none() {
                    return found.store.file().damaged(run.at, "places of arrays that end early");
                }
                let array = if offset[0] == 0 { None } else { Some(found.store.arrays()?.place(offset[0])?) };
                each(row, array)?;
            }
            Ok(())
        })
    }

    fn array_of(&self, found: &Found<'_>, row: u64) -> Result<Option<Place>> {
        let mut array = None;
        self.arrays(found, row..row + 1, |_, place| {
            array = place;
            Ok(())
        })?;
        Ok(array)
    }

    /// Arrays that must all have one shape.
    fn same_arrays<T: Element>(&self, found: &Found<'_>, rows: Range<u64>, out: &mut [T]) -> Result<()> {
        let mut shape: Option<Vec<usize>> = None;
        let mut scratch = Vec::new();
        let mut done = 0;
        let length = out.len();
        self.arrays(found, rows.clone(), |row, array| {
            let Some(array) = array else { return self.undefined(found.name, row) };
            let first = shape.get_or_insert_with(|| array.shape.clone());
            if *first != array.shape {
                let differing = format!("column {} has cells of different shapes", found.name);
                return Err(self.shape(found.name, Some(row), differing));
            }
            self.fits(found, &rows, array.values, length)?;
            found.store.arrays()?.values(&array, &mut scratch, &mut out[done..done + array.values])?;
            done += array.values;
            Ok(())
        })?;
        if done == length { Ok(()) } else { self.fits(found, &rows, 0, length) }
    }

    /// The string of the `i`th cell of a run.
    fn one_text(&self, found: &Found<'_>, run: &Run<'_>, i: usize) -> Result<String> {
        match &found.store.buckets {
            Buckets::Standard(_) if found.max_length > 0 => {
                let length = found.max_length as usize;
                let cell = run.bytes.get(i * length..(i + 1) * length).unwrap_or_default();
                Ok(text(cell.split(|&byte| byte == 0).next().unwrap_or_default()))
            }
            Buckets::Standard(standard) => {
                let (cell, [bucket, offset, length]) = self.words(found, run, i)?;
                match usize::try_from(length) {
                    // Up to eight bytes are in the place of the first two words.
                    Ok(short) if short <= 8 => Ok(text(&cell[..short])),
                    _ => standard.text(bucket, offset, length).map(|bytes| text(&bytes)),
                }
            }
            Buckets::Incremental(_) => {
                let mut c = self.cursor(found, run);
                match c.u32()?.checked_sub(4) {
                    Some(length) => Ok(text(c.take(length as usize)?)),
                    None => c.damaged("a string without a length"),
                }
            }
        }
    }

    /// The three words that tell where a cell's strings are.
    fn words<'r>(&self, found: &Found<'_>, run: &'r Run<'_>, i: usize) -> Result<(&'r [u8], [i32; 3])> {
        let cell = run.bytes.get(12 * i..12 * (i + 1)).unwrap_or_default();
        let mut words = [0; 3];
        match i32::decode(cell, 0, found.store.endian, &mut words) {
            Some(()) => Ok((cell, words)),
            None => found.store.file().damaged(run.at, "places of strings that end early"),
        }
    }

    fn cursor<'r>(&self, found: &'r Found<'_>, run: &'r Run<'_>) -> Cursor<'r> {
        Cursor::new(found.store.file().path(), run.bytes).ordered(found.store.endian)
    }

    /// The shape and the strings of the `i`th cell of a run.
    fn many_texts(&self, found: &Found<'_>, run: &Run<'_>, i: usize) -> Result<(Option<Vec<usize>>, Vec<String>)> {
        let fixed = if let Cell::Fixed(shape) = &found.cell { Some(shape.clone()) } else { None };
        let Buckets::Standard(standard) = &found.store.buckets else {
            let mut c = self.cursor(found, run);
            let strings = if found.values == 1 {
                vec![self.one_text(found, run, i)?]
            } else {
                c.u32()?; // the length of all
                strings(&mut c, found.values)?
            };
            return Ok((fixed, strings));
        };
        let (_, [bucket, offset, length]) = self.words(found, run, i)?;
        if length == 0 {
            let empty = fixed.as_ref().map_or(0, |_| found.values);
            Budget::new(&self.path, found.name).spend(empty.saturating_mul(size_of::<String>()))?;
            return Ok((fixed, vec![String::new(); empty]));
        }
        let bytes = standard.text(bucket, offset, length)?;
        // Lengths in the buckets of strings are big endian in either kind of table.
        let mut c = Cursor::new(found.store.file().path(), &bytes).ordered(Endian::Big);
        if found.form == Form::Texts {
            return Ok((fixed, strings(&mut c, found.values)?));
        }
        let axes = c.u32()?;
        if axes > 64 {
            return c.damaged(format!("an array of {axes} axes"));
        }
        let mut shape = (0..axes).map(|_| Ok(c.u32()? as usize)).collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let product = shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length));
        let Some(values) = product.map(|product| if shape.is_empty() { 0 } else { product }) else {
            return c.damaged(format!("an array of impossible shape {shape:?}"));
        };
        if c.u32()? == 0 {
            // A shape without values: as many empty strings.
            Budget::new(&self.path, found.name).spend(values.saturating_mul(size_of::<String>()))?;
            return Ok((Some(shape), vec![String::new(); values]));
        }
        Ok((Some(shape), strings(&mut c, values)?))
    }
}

/// So many strings, each after its length; the bytes must be there before memory is asked for.
fn strings(c: &mut Cursor<'_>, count: usize) -> Result<Vec<String>> {
    if count > c.left() / 4 {
        return c.damaged(format!("{count} strings that end early"));
    }
    (0..count).map(|_| c.string()).collect()
}
