//! Tables to compare: every storage manager with every kind of cell that it holds, and a large one.

use std::fs;
use std::path::Path;

use benches::Result;
use casacore::{
    Bucket, Cell, Column, ColumnDesc, Complex32, Complex64, DataType, Element, Endian, Layout, Manager, Ragged, Record,
    Selection, Table,
};

const ROWS: u64 = 37;
const TYPES: [DataType; 12] = [
    DataType::Bool,
    DataType::U8,
    DataType::I16,
    DataType::U16,
    DataType::I32,
    DataType::U32,
    DataType::I64,
    DataType::F32,
    DataType::F64,
    DataType::Complex32,
    DataType::Complex64,
    DataType::String,
];

/// Makes the tables in `folder`, and prints each one's path.
pub(crate) fn make(folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    for endian in [Endian::Little, Endian::Big] {
        for (name, manager, cells) in managers() {
            let path = folder.join(format!("{name}-{endian:?}").to_lowercase());
            table(&path, &manager, &cells, endian)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// A name, a manager for each of its columns or for all, and the cells that it holds.
fn managers() -> Vec<(&'static str, Manager, Vec<Cell>)> {
    let scalar = || vec![Cell::Scalar];
    let arrays = || vec![Cell::Fixed(vec![3]), Cell::Fixed(vec![4, 3]), Cell::Fixed(vec![2, 4, 3])];
    let variable = || vec![Cell::Variable(Some(2))];
    let all = || [scalar(), arrays(), variable()].concat();
    vec![
        ("standard", Manager::standard("m", Bucket::Rows(7)), all()),
        ("standard-bytes", Manager::standard("m", Bucket::Bytes(40_000)), all()),
        ("incremental", Manager::incremental("m", 40_000), all()),
        ("aipsio", Manager::other("m", "StManAipsIO", Record::new()), all()),
        ("tiled-column-1", Manager::tiled_column("m", [5, 2]), vec![Cell::Fixed(vec![3])]),
        ("tiled-column-2", Manager::tiled_column("m", [5, 3, 2]), vec![Cell::Fixed(vec![4, 3])]),
        ("tiled-column-whole", Manager::tiled_column("m", [8, 4, 3]), vec![Cell::Fixed(vec![4, 3])]),
        ("tiled-column-3", Manager::tiled_column("m", [5, 1, 2, 3]), vec![Cell::Fixed(vec![2, 4, 3])]),
        ("tiled-shape", Manager::tiled_shape("m", [5, 3, 2]), vec![Cell::Fixed(vec![4, 3])]),
        ("tiled-shape-variable", Manager::tiled_shape("m", [5, 3, 2]), variable()),
        ("tiled-cell", Manager::tiled_cell("m", [3, 2]), vec![Cell::Fixed(vec![4, 3])]),
        ("tiled-cell-variable", Manager::tiled_cell("m", [3, 2]), variable()),
    ]
}

fn table(path: &Path, manager: &Manager, cells: &[Cell], endian: Endian) -> Result<()> {
    let tiled = manager.name == "m" && cells.len() == 1;
    let mut layout = Layout::new().endian(endian);
    let mut names = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        for kind in TYPES {
            if tiled && kind == DataType::String {
                continue;
            }
            let name = format!("C{number}_{kind}").to_uppercase();
            let column = match cell {
                Cell::Scalar => ColumnDesc::scalar(&name, kind),
                Cell::Fixed(shape) => ColumnDesc::fixed(&name, kind, shape.clone()),
                Cell::Variable(axes) => ColumnDesc::variable(&name, kind, *axes),
            };
            layout = layout.column(column);
            names.push((name, kind, cell));
        }
    }
    layout = match tiled {
        // A tiled manager holds one of these columns.
        true => names.iter().fold(layout, |layout, (name, ..)| {
            layout.manager(Manager { name: format!("m_{name}"), ..manager.clone() }.holding([name.as_str()]))
        }),
        false => layout.manager(manager.clone().holding(names.iter().map(|(name, ..)| name.as_str()))),
    };
    let mut table = layout.create(path, ROWS)?;
    for (name, kind, cell) in &names {
        fill(&mut table, name, *kind, cell)?;
    }
    Ok(table.close()?)
}

fn fill(table: &mut Table, name: &str, kind: DataType, cell: &Cell) -> Result<()> {
    match kind {
        DataType::Bool => numbers(table, name, cell, |i| i * i % 5 < 2),
        DataType::U8 => numbers(table, name, cell, |i| (i * 7 % 251) as u8),
        DataType::I16 => numbers(table, name, cell, |i| (i * 31) as i16 - 9000),
        DataType::U16 => numbers(table, name, cell, |i| (i * 131 % 65_521) as u16),
        DataType::I32 => numbers(table, name, cell, |i| i as i32 * 70_001 - 1_000_000),
        DataType::U32 => numbers(table, name, cell, |i| (i as u32).wrapping_mul(4_000_037)),
        DataType::I64 => numbers(table, name, cell, |i| i as i64 * 3_000_000_000_001 - 7),
        DataType::F32 => numbers(table, name, cell, |i| i as f32 * 0.3 - 3.0),
        DataType::F64 => numbers(table, name, cell, |i| i as f64 / 3.0),
        DataType::Complex32 => numbers(table, name, cell, |i| Complex32::new(i as f32, -0.5 * i as f32)),
        DataType::Complex64 => numbers(table, name, cell, |i| Complex64::new(i as f64 / 7.0, 1e300)),
        _ => {
            let text = |i: usize| "antenna é ".repeat(i % 4) + &i.to_string();
            match ragged(cell, text) {
                None => Ok(table.write_strings(name, 0..ROWS, &(0..ROWS as usize).map(text).collect::<Vec<_>>())?),
                Some(cells) => Ok(table.write_ragged_strings(name, 0..ROWS, &cells)?),
            }
        }
    }
}

fn numbers<T: Element>(table: &mut Table, name: &str, cell: &Cell, value: impl Fn(usize) -> T) -> Result<()> {
    match ragged(cell, &value) {
        None => Ok(table.write(name, 0..ROWS, &(0..ROWS as usize).map(value).collect::<Vec<T>>())?),
        Some(cells) => Ok(table.write_ragged(name, 0..ROWS, &cells)?),
    }
}

/// Cells of arrays; of variable ones every fifth has no value and the others differ in shape. None for scalars.
fn ragged<T>(cell: &Cell, value: impl Fn(usize) -> T) -> Option<Ragged<T>> {
    let shapes: Vec<Option<Vec<usize>>> = match cell {
        Cell::Scalar => return None,
        Cell::Fixed(shape) => vec![Some(shape.clone()); ROWS as usize],
        Cell::Variable(_) => {
            (0..ROWS as usize).map(|row| (row % 5 != 3).then(|| vec![1 + row / 9, 2 + row / 20])).collect()
        }
    };
    let count = shapes.iter().flatten().map(|shape| shape.iter().product::<usize>()).sum();
    Some(Ragged { shapes, values: (0..count).map(value).collect() })
}

/// A table with one large column, filled by tiles.
pub(crate) fn original(path: &Path, rows: u64, cell: [usize; 2], tile_rows: usize) -> Result<()> {
    let layout = Layout::new()
        .column(ColumnDesc::fixed("DATA", DataType::Complex32, cell))
        .manager(Manager::tiled_column("TiledData", [tile_rows, cell[0], cell[1]]).holding(["DATA"]));
    layout.create_with_holes(path, rows, &casacore::OpenOptions::new().write(true))?.close()?;
    let column = Column::open_rw(path, "DATA")?;
    let row = cell[0] * cell[1];
    column.fill::<Complex32, Box<dyn std::error::Error + Send + Sync>>(
        &Selection::all(),
        16_384,
        |numbers, values| {
            for (number, values) in numbers.zip(values.chunks_exact_mut(row)) {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = Complex32::new(number as f32, i as f32);
                }
            }
            Ok(())
        },
    )?;
    Ok(column.close()?)
}
