//! One file: all its headers.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use stamped_cache::Identity;

use crate::card::CARD;
use crate::error::{Error, printable};
use crate::hdu::{BLOCK, Hdu};
use crate::header::{END, Header, name_of};

/// The most that one header may hold, bytes. The longest real ones, with the histories of a thousand steps, have some MB.
const HEADER_LIMIT: u64 = 16 << 20;
/// The most HDUs of a file.
const HDU_LIMIT: usize = 4096;
/// The most bytes of all headers of a file.
const HEADERS_LIMIT: u64 = 32 << 20;
/// How much of a header is fetched at once: two blocks hold what imagers write.
const FETCH: usize = 2 * BLOCK as usize;

/// How a file is packed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packing {
    /// Not at all. Single images in it may be compressed.
    Plain,
    /// By gzip.
    Gzip,
}

/// All headers of a FITS file.
#[derive(Debug)]
pub struct FitsFile {
    path: Arc<Path>,
    bytes: u64,
    packing: Packing,
    hdus: Vec<Hdu>,
    trailing: u64,
}

impl FitsFile {
    /// Reads the headers of the file at `path`, and of its data nothing.
    ///
    /// An unpacked file costs one `open`, and one `pread` of 5,760 bytes for every HDU whose header fits into that; longer
    /// headers cost more of them. A gzipped one is unpacked from its beginning to its last header, in bounded memory.
    ///
    /// # Errors
    /// [`Error`]. That there are fewer bytes of data than a header announces is none: see [`FitsFile::missing_bytes`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read_opened(path.as_ref(), |_| ())
    }

    /// The same; `opened` is told the identity of the open file before anything is read from it.
    pub(crate) fn read_opened(path: &Path, opened: impl FnOnce(Identity)) -> Result<Self, Error> {
        let mut room = [0; FETCH];
        let (mut source, start) = Source::open(path, &mut room, opened)?;
        let path = Arc::from(path);
        // Nearly every file of an imager has one.
        let hdus = Vec::with_capacity(1);
        let mut found = Self { path, bytes: source.bytes, packing: source.packing, hdus, trailing: 0 };
        found.read_hdus(&mut source, start)?;
        Ok(found)
    }

    /// The file's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file, bytes, as it lies on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How the file is packed as a whole.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Its HDUs, the primary one first; never empty.
    pub fn hdus(&self) -> &[Hdu] {
        &self.hdus
    }

    /// The primary HDU.
    pub fn primary(&self) -> &Hdu {
        &self.hdus[0]
    }

    /// The first HDU that holds pixels.
    ///
    /// # Errors
    /// [`Error::NoSuchHdu`] where none does.
    pub fn image(&self) -> Result<&Hdu, Error> {
        self.hdus.iter().find(|hdu| hdu.image().is_some()).ok_or_else(|| self.no_such("no HDU holds an image".into()))
    }

    /// The HDU of a number, 0 for the primary one.
    ///
    /// # Errors
    /// [`Error::NoSuchHdu`] where there is none.
    pub fn hdu(&self, number: usize) -> Result<&Hdu, Error> {
        self.hdus.get(number).ok_or_else(|| self.no_such(format!("there is no HDU {number}")))
    }

    /// How many bytes of data that the headers announce lie beyond the end of the file; 0 for a whole one. A gzipped file is
    /// found out when its pixels are read.
    pub fn missing_bytes(&self) -> u64 {
        match (self.packing, self.hdus.last()) {
            (Packing::Plain, Some(last)) => (last.data_at() + last.data_bytes()).saturating_sub(self.bytes),
            _ => 0,
        }
    }

    /// How many bytes follow the last HDU that are no HDU; 0 for a clean file.
    pub fn trailing_bytes(&self) -> u64 {
        self.trailing
    }

    fn no_such(&self, what: String) -> Error {
        Error::NoSuchHdu { path: self.path.to_path_buf(), what, hdus: self.hdus.len() }
    }

    /// `start` is what the file begins with.
    fn read_hdus(&mut self, source: &mut Source, start: &[u8]) -> Result<(), Error> {
        let mut at = 0;
        let mut held = 0;
        loop {
            let number = self.hdus.len();
            let known = if number == 0 { start } else { &[] };
            let Some(cards) = read_cards(source, &self.path, number, at, known)? else {
                self.trailing = self.bytes.saturating_sub(at) * u64::from(self.packing == Packing::Plain);
                return Ok(());
            };
            held += cards.len() as u64;
            if number >= HDU_LIMIT || held > HEADERS_LIMIT {
                let (what, limit) = if number >= HDU_LIMIT {
                    ("the number", HDU_LIMIT as u64)
                } else {
                    ("the length of all headers up to that", HEADERS_LIMIT)
                };
                return Err(Error::TooLarge { path: self.path.to_path_buf(), hdu: number, what, limit });
            }
            // The END card belongs to the header's blocks.
            let data_at = at + (cards.len() + CARD).next_multiple_of(BLOCK as usize) as u64;
            let hdu = Hdu::new(Header::new(Arc::clone(&self.path), number, cards), at, data_at)?;
            let next = hdu.end();
            self.hdus.push(hdu);
            match next {
                Some(next) if self.packing == Packing::Gzip || next < self.bytes => at = next,
                _ => return Ok(()),
            }
        }
    }

    /// Bytes of memory that it occupies, roughly.
    pub(crate) fn weight(&self) -> u64 {
        self.hdus.iter().map(Hdu::weight).sum::<u64>() + self.path.as_os_str().len() as u64
    }
}

/// The bytes of an unpacked file, from its beginning on.
pub(crate) struct Source {
    kind: SourceKind,
    bytes: u64,
    packing: Packing,
}

enum SourceKind {
    Plain(File),
    /// Forward only; the number is where it stands.
    Gzip(Box<MultiGzDecoder<File>>, u64),
}

impl Source {
    /// Opens a file by its plain name: nothing in a name has a meaning to this. Gives what an unpacked file begins with, too,
    /// as much of it as there is `room` for; of a gzipped one nothing. `opened` is told its identity before that.
    pub(crate) fn open<'room>(
        path: &Path,
        room: &'room mut [u8],
        opened: impl FnOnce(Identity),
    ) -> Result<(Self, &'room [u8]), Error> {
        let refused = |action| move |source| Error::Io { path: path.to_path_buf(), action, source };
        // By the system calls themselves: with those of the standard library, which are not inlined, they take a third more.
        // Not to wait for a writer, should it be a pipe; a file is never waited for.
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
        let file = File::from(file.map_err(|errno| refused("open")(errno.into()))?);
        let identity = Identity::of_open(&file).map_err(refused("read"))?;
        opened(identity);
        let bytes = identity.size;
        let read = fill_at(&file, 0, room).map_err(refused("read"))?;
        let start = &room[..read];
        if start.starts_with(&[0x1f, 0x8b]) {
            let kind = SourceKind::Gzip(Box::new(MultiGzDecoder::new(file)), 0);
            return Ok((Self { kind, bytes, packing: Packing::Gzip }, &[]));
        }
        Ok((Self { kind: SourceKind::Plain(file), bytes, packing: Packing::Plain }, start))
    }

    /// Fills `buffer` from byte `at` on; fewer bytes than asked for only at the end of the file. A gzipped file can only be
    /// read forwards.
    pub(crate) fn fill(&mut self, path: &Path, at: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let refused = |source| Error::Io { path: path.to_path_buf(), action: "read", source };
        match &mut self.kind {
            SourceKind::Plain(file) => fill_at(file, at, buffer).map_err(refused),
            SourceKind::Gzip(stream, position) => {
                // A gzip stream shrinks by a factor of a thousand at most, images of the sky hardly at all.
                let limit = self.bytes.saturating_mul(100).saturating_add(64 << 20);
                if at.saturating_add(buffer.len() as u64) > limit {
                    // The next header is looked for there and need not exist.
                    let skipped = skip(stream, position, limit).map_err(refused)?;
                    return if skipped { Err(Error::Inflates { path: path.to_path_buf(), limit }) } else { Ok(0) };
                }
                if *position > at {
                    return Err(refused(io::Error::other("a gzipped file can only be read forwards")));
                }
                if !skip(stream, position, at).map_err(refused)? {
                    return Ok(0);
                }
                let mut filled = 0;
                while filled < buffer.len() {
                    match stream.read(&mut buffer[filled..]) {
                        Ok(0) => break,
                        Ok(read) => filled += read,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(refused(error)),
                    }
                }
                *position += filled as u64;
                Ok(filled)
            }
        }
    }
}

/// Reads and forgets up to byte `to`; whether the stream is that long.
fn skip(stream: &mut MultiGzDecoder<File>, position: &mut u64, to: u64) -> io::Result<bool> {
    let skipped = io::copy(&mut stream.by_ref().take(to - *position), &mut io::sink())?;
    *position += skipped;
    Ok(*position == to)
}

/// `pread` until the buffer is full or the file ends.
pub(crate) fn fill_at(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled)
}

/// The cards of the header that begins at byte `at`; `None` where none begins behind the last HDU. `known` is what is known
/// of it already.
fn read_cards(source: &mut Source, path: &Path, hdu: usize, at: u64, known: &[u8]) -> Result<Option<Box<[u8]>>, Error> {
    if !known.is_empty() {
        if !begins(known, path, hdu)? {
            return Ok(None);
        }
        // Mostly all of it is: then it is copied once.
        if let Some(end) = end_of(known.as_chunks::<CARD>().0) {
            return Ok(Some(Box::from(&known[..end * CARD])));
        }
    }
    let mut cards = known.to_vec();
    let mut full = cards.len() == FETCH;
    let mut checked = cards.len() / CARD;
    loop {
        let have = cards.len();
        if have == 0 || full {
            let more = match (source.packing, have) {
                // What is read too far cannot be read again, and the next header may be there.
                (Packing::Gzip, _) => BLOCK as usize,
                (Packing::Plain, 0) => FETCH,
                (Packing::Plain, _) => 4 * FETCH,
            };
            cards.resize(have + more, 0);
            let read = source.fill(path, at + have as u64, &mut cards[have..])?;
            full = have + read == cards.len();
            cards.truncate(have + read);
        }
        if have == 0 && !begins(&cards, path, hdu)? {
            return Ok(None);
        }
        if let Some(more) = end_of(&cards.as_chunks::<CARD>().0[checked..]) {
            cards.truncate((checked + more) * CARD);
            return Ok(Some(cards.into_boxed_slice()));
        }
        checked = cards.len() / CARD;
        if !full {
            return Err(Error::NoEnd { path: path.to_path_buf(), hdu, bytes: cards.len() as u64 });
        }
        if cards.len() as u64 > HEADER_LIMIT {
            return Err(Error::TooLarge { path: path.to_path_buf(), hdu, what: "the header", limit: HEADER_LIMIT });
        }
    }
}

/// Which of `cards` is the END card.
fn end_of(cards: &[[u8; CARD]]) -> Option<usize> {
    cards.iter().position(|card| name_of(card) == END)
}

/// Whether a header begins with `bytes`. The primary one must.
fn begins(bytes: &[u8], path: &Path, hdu: usize) -> Result<bool, Error> {
    if hdu > 0 {
        return Ok(bytes.starts_with(b"XTENSION="));
    }
    if bytes.starts_with(b"SIMPLE  =") {
        return Ok(true);
    }
    let start = &bytes[..bytes.len().min(16)];
    let packer = match start {
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        [0x1f, 0x9d, ..] => Some("compress"),
        [b'P', b'K', 3, 4, ..] => Some("zip"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    };
    Err(match packer {
        Some(program) => Error::Packed { path: path.to_path_buf(), program },
        None if start.is_empty() => Error::NotFits { path: path.to_path_buf(), found: "nothing: it is empty".into() },
        None => Error::NotFits { path: path.to_path_buf(), found: format!("`{}`", printable(start)) },
    })
}

/// The form in which headers are kept on disk: cards without their trailing blanks, a third of their length.
#[derive(Serialize, Deserialize)]
struct Stored {
    path: std::path::PathBuf,
    bytes: u64,
    packing: Packing,
    trailing: u64,
    hdus: Vec<StoredHdu>,
}

#[derive(Serialize, Deserialize)]
struct StoredHdu {
    header_at: u64,
    data_at: u64,
    #[serde(with = "serde_bytes")]
    cards: Vec<u8>,
}

impl Serialize for FitsFile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hdus = self
            .hdus
            .iter()
            .map(|hdu| StoredHdu {
                header_at: hdu.header_at(),
                data_at: hdu.data_at(),
                cards: pack(hdu.header().raw()),
            })
            .collect();
        let (path, bytes, packing, trailing) = (self.path.to_path_buf(), self.bytes, self.packing, self.trailing);
        Stored { path, bytes, packing, trailing, hdus }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FitsFile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let stored = Stored::deserialize(deserializer)?;
        let path: Arc<Path> = Arc::from(stored.path);
        let hdus: Vec<Hdu> = stored
            .hdus
            .into_iter()
            .enumerate()
            .map(|(number, hdu)| {
                let cards = unpack(&hdu.cards).ok_or_else(|| D::Error::custom("cards cut short"))?;
                Hdu::new(Header::new(Arc::clone(&path), number, cards), hdu.header_at, hdu.data_at)
                    .map_err(D::Error::custom)
            })
            .collect::<Result<_, _>>()?;
        if hdus.is_empty() {
            return Err(D::Error::custom("no header"));
        }
        Ok(Self { path, bytes: stored.bytes, packing: stored.packing, hdus, trailing: stored.trailing })
    }
}

/// Cards as their length and what they hold up to their trailing blanks.
fn pack(cards: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(cards.len() / 2);
    for card in cards.chunks_exact(CARD) {
        let length = card.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
        packed.push(length as u8);
        packed.extend_from_slice(&card[..length]);
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Option<Box<[u8]>> {
    let mut cards = Vec::with_capacity(packed.len() * 2);
    while let Some((&length, rest)) = packed.split_first() {
        let (text, rest) = rest.split_at_checked(usize::from(length))?;
        cards.extend_from_slice(text);
        cards.resize(cards.len() + CARD.checked_sub(text.len())?, b' ');
        packed = rest;
    }
    Some(cards.into_boxed_slice())
}
