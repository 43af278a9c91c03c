//! Where MAIN's keywords say that the subtables are, without opening MAIN.
//!
//! Opening a MAIN of twenty storage managers takes casacore as long as all six subtables. The keywords are at the head of
//! `table.dat`, in casacore's AipsIO form: big endian; an object is its `u32` length (from the length itself on), its type
//! as a string, a `u32` version, and its parts. Written after casacore 3.5: `Table.cc`, `TableDesc.cc`,
//! `TableRecordRep.cc`, `RecordDesc.cc`, `Path.cc` (`addDirectory`), `DataType.h`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The subtables by name; `None` for a `table.dat` of another form, which casacore itself should read.
pub(crate) fn subtables(table: &Path) -> Option<Vec<(String, PathBuf)>> {
    let bytes = fs::read(table.join("table.dat")).ok()?;
    let mut r = Reader(&bytes);
    if r.u32()? != 0xbebe_bebe {
        return None;
    }
    let version = r.object("Table")?;
    r.take(if version > 2 { 8 } else { 4 })?; // rows
    r.u32()?; // byte order
    if r.text()? != b"PlainTable" {
        return None;
    }
    r.object("TableDesc")?;
    for _ in 0..3 {
        r.text()?; // name, version, comment
    }
    r.object("TableRecord")?;
    let fields = r.description(0)?;
    r.u32()?; // fixed or variable
    let mut found = Vec::new();
    for field in fields {
        match field {
            Field { name, kind: Kind::Table } => {
                found.push((String::from_utf8(name.to_vec()).ok()?, place(table, r.text()?)?));
            }
            other => r.skip(&other)?,
        }
    }
    Some(found)
}

/// A stored name as a path: `././X` is in the table's folder, `./X` beside it.
fn place(table: &Path, name: &[u8]) -> Option<PathBuf> {
    let stripped = {
        let mut rest = name;
        while let Some(tail) = rest.strip_prefix(b"./") {
            rest = tail;
        }
        rest
    };
    let path = Path::new(OsStr::from_bytes(stripped));
    match name.len() - stripped.len() {
        0 => path.is_absolute().then(|| path.to_path_buf()).filter(|_| !name.ends_with(b"/.")),
        2 => Some(table.parent()?.join(path)),
        _ => Some(table.join(path)),
    }
}

/// A field of a record.
struct Field<'a> {
    name: &'a [u8],
    kind: Kind<'a>,
}

/// What a field's value takes in the file.
enum Kind<'a> {
    /// So many bytes.
    Bytes(usize),
    Text,
    /// An object with its own length: an array, or a record without a fixed description.
    Object,
    Table,
    /// The values of these fields, one after another.
    Record(Vec<Field<'a>>),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// The start of an object; its version.
    fn object(&mut self, kind: &str) -> Option<u32> {
        self.u32()?;
        if self.text()? == kind.as_bytes() { self.u32() } else { None }
    }

    fn skip_object(&mut self) -> Option<()> {
        let length = (self.u32()? as usize).checked_sub(4)?;
        self.take(length).map(|_| ())
    }

    /// The description of a record.
    fn description(&mut self, depth: usize) -> Option<Vec<Field<'a>>> {
        const DEEPEST: usize = 32;
        if depth > DEEPEST {
            return None;
        }
        let version = self.object("RecordDesc")?;
        let count = self.u32()?;
        let mut fields = Vec::new();
        for _ in 0..count {
            let name = self.text()?;
            let kind = match self.u32()? {
                0 | 2 => Kind::Bytes(1),
                3 => Kind::Bytes(2),
                5..=7 => Kind::Bytes(4),
                8 | 9 | 29 => Kind::Bytes(8),
                10 => Kind::Bytes(16),
                11 => Kind::Text,
                12 => {
                    self.text()?;
                    Kind::Table
                }
                13..=24 | 30 => {
                    self.skip_object()?; // the shape
                    Kind::Object
                }
                25 => match self.description(depth + 1)? {
                    none if none.is_empty() => Kind::Object,
                    fields => Kind::Record(fields),
                },
                _ => return None,
            };
            if version > 1 {
                self.text()?;
            }
            fields.push(Field { name, kind });
        }
        Some(fields)
    }

    fn skip(&mut self, field: &Field<'_>) -> Option<()> {
        match &field.kind {
            Kind::Bytes(length) => self.take(*length).map(|_| ()),
            Kind::Text | Kind::Table => self.text().map(|_| ()),
            Kind::Object => self.skip_object(),
            Kind::Record(fields) => fields.iter().try_for_each(|field| self.skip(field)),
        }
    }
}

#[cfg(test)]
mod tests {
    use casacore::{ColumnDesc, DataType, Layout, Record, Table};

    use super::*;

    #[test]
    fn the_places_are_those_that_casacore_finds() {
        let folder = tempfile::tempdir().expect("because a temporary folder can be made");
        let folder = folder.path().canonicalize().expect("because it was just made");
        let layout = || Layout::new().column(ColumnDesc::scalar("N", DataType::I32));
        let main = folder.join("a.ms");
        let nested = Record::new().with("x", 1.5).with("list", vec![1, 2]).with("more", Record::new().with("s", "t"));
        let keywords = layout()
            .keyword("MS_VERSION", 2.0_f32)
            .keyword("flag", true)
            .keyword("small", 3_i16)
            .keyword("large", 1_i64 << 40)
            .keyword("names", vec!["a", "", "c"])
            .keyword("extra", nested)
            .keyword("empty", Record::new())
            .keyword("text", "././FIELD");
        keywords.create(&main, 1).and_then(Table::close).expect("because the layout is right");
        let places =
            [("FIELD", main.join("FIELD")), ("BESIDE", folder.join("beside.tab")), ("ANTENNA", main.join("ANT"))];
        let mut table = Table::open_rw(&main).expect("because it was just made");
        for (name, path) in &places {
            layout().create(path, 1).and_then(Table::close).expect("because its folder exists");
            table.put_subtable(name, path).expect("because the table exists");
        }
        table.put_keyword("after", num_complex()).expect("because it is new");
        let theirs = table.subtables().expect("because the keywords can be read");
        table.close().expect("because there is room");
        assert_eq!(theirs.len(), 3);
        assert_eq!(subtables(&main), Some(theirs));
        // Whatever is cut off gives none and no panic.
        let bytes = fs::read(main.join("table.dat")).expect("because it exists");
        for cut in (0..bytes.len()).step_by(7) {
            fs::write(main.join("table.dat"), &bytes[..cut]).expect("because the folder is ours");
            subtables(&main);
        }
    }

    fn num_complex() -> casacore::Complex64 {
        casacore::Complex64::new(1.0, 2.0)
    }
}
