//! One HDU: a header, and where the data lie.

use std::sync::OnceLock;

use crate::celestial::Celestial;
use crate::error::Error;
use crate::header::Header;

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 2880;

/// What an HDU holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An array of numbers, perhaps an empty one.
    Image,
    /// An image in compressed tiles (fpack), kept in a binary table.
    CompressedImage,
    /// A table of text.
    Table,
    /// A binary table.
    BinaryTable,
    /// Random groups.
    Groups,
    /// An extension of another kind.
    Other,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bitpix {
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Floating point, 32 bits.
    F32,
    /// Floating point, 64 bits.
    F64,
}

impl Bitpix {
    fn of(header: &Header, keyword: &str) -> Result<Self, Error> {
        Ok(match header.integer(keyword)?.ok_or_else(|| header.missing(keyword))? {
            8 => Self::U8,
            16 => Self::I16,
            32 => Self::I32,
            64 => Self::I64,
            -32 => Self::F32,
            -64 => Self::F64,
            _ => return Err(header.unfit(keyword, "is none of 8, 16, 32, 64, -32, -64")),
        })
    }

    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether the numbers are floating point.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// The shape of an image and the meaning of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// How the numbers are stored; of a compressed image, before it was compressed.
    pub bitpix: Bitpix,
    /// Pixels along each axis, NAXIS1 first: the reverse of numpy's shape. None is 0.
    pub axes: Vec<u64>,
    /// BSCALE: a pixel is `stored × scale + zero`.
    pub scale: f64,
    /// BZERO.
    pub zero: f64,
    /// BLANK: the stored whole number that means "no value".
    pub blank: Option<i64>,
}

impl Image {
    /// How many pixels there are.
    pub fn pixels(&self) -> u64 {
        self.axes.iter().product()
    }

    /// Pixels along the first axis.
    pub fn width(&self) -> u64 {
        self.axes[0]
    }

    /// Pixels along the second axis; 1 if there is none.
    pub fn height(&self) -> u64 {
        self.axes.get(1).copied().unwrap_or(1)
    }

    /// How many planes of width × height there are.
    pub fn planes(&self) -> u64 {
        self.axes.iter().skip(2).product()
    }
}

/// One HDU of a file.
#[derive(Debug)]
pub struct Hdu {
    header: Header,
    kind: Kind,
    image: Option<Image>,
    header_at: u64,
    data_at: u64,
    data_bytes: u64,
    celestial: OnceLock<Celestial>,
}

impl Hdu {
    /// Of a header that begins at byte `header_at` and whose data begin at `data_at`.
    pub(crate) fn new(header: Header, header_at: u64, data_at: u64) -> Result<Self, Error> {
        let kind = kind(&header)?;
        let bitpix = Bitpix::of(&header, "BITPIX")?;
        let axes = axes(&header, "NAXIS")?;
        let data_bytes = data_bytes(&header, kind, bitpix, &axes)?;
        let image = match kind {
            Kind::Image => image(&header, bitpix, axes, "NAXIS")?,
            Kind::CompressedImage => {
                image(&header, Bitpix::of(&header, "ZBITPIX")?, self::axes(&header, "ZNAXIS")?, "ZNAXIS")?
            }
            _ => None,
        };
        Ok(Self { header, kind, image, header_at, data_at, data_bytes, celestial: OnceLock::new() })
    }

    /// Its cards.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What it holds.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Shape and numbers of its image; `None` where it holds no pixels.
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// The byte at which the header begins, in the unpacked file.
    pub fn header_at(&self) -> u64 {
        self.header_at
    }

    /// The byte at which the data begin, in the unpacked file.
    pub fn data_at(&self) -> u64 {
        self.data_at
    }

    /// The bytes of data that the header announces, without the padding to whole blocks.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Celestial coordinates of its pixels; worked out once.
    ///
    /// # Errors
    /// [`Error::Celestial`] where there are none or they cannot be understood; [`Error::Card`] where a card that they need
    /// cannot be read; [`Error::NoSuchHdu`] where there is no image.
    pub fn celestial(&self) -> Result<&Celestial, Error> {
        if let Some(known) = self.celestial.get() {
            return Ok(known);
        }
        let image = self.image.as_ref().ok_or_else(|| Error::NoSuchHdu {
            path: self.header.path().to_path_buf(),
            what: format!("HDU {} holds no image", self.header.hdu()),
            hdus: self.header.hdu() + 1,
        })?;
        let made = Celestial::of(&self.header, image)?;
        Ok(self.celestial.get_or_init(|| made))
    }

    /// The byte behind the data and their padding. It may lie beyond the end of the file.
    pub(crate) fn end(&self) -> Option<u64> {
        self.data_at.checked_add(self.data_bytes.checked_next_multiple_of(BLOCK)?)
    }

    /// Bytes of memory that it occupies, roughly.
    pub(crate) fn weight(&self) -> u64 {
        (size_of::<Self>() + self.header.raw().len() + self.header.len() * 8) as u64
    }
}

fn kind(header: &Header) -> Result<Kind, Error> {
    if header.hdu() == 0 {
        let groups = header.logical("GROUPS")? == Some(true) && header.integer("NAXIS1")? == Some(0);
        return Ok(if groups { Kind::Groups } else { Kind::Image });
    }
    let name = header.text("XTENSION")?.ok_or_else(|| header.missing("XTENSION"))?;
    Ok(match name.as_ref() {
        "IMAGE" | "IUEIMAGE" => Kind::Image,
        "TABLE" => Kind::Table,
        "BINTABLE" | "A3DTABLE" if header.logical("ZIMAGE")? == Some(true) => Kind::CompressedImage,
        "BINTABLE" | "A3DTABLE" => Kind::BinaryTable,
        _ => Kind::Other,
    })
}

/// The lengths of the axes.
fn axes(header: &Header, naxis: &str) -> Result<Vec<u64>, Error> {
    let number = header.integer(naxis)?.ok_or_else(|| header.missing(naxis))?;
    if !(0..=999).contains(&number) {
        return Err(header.unfit(naxis, "is not within 0 to 999"));
    }
    let mut keyword = String::with_capacity(naxis.len() + 3);
    let mut lengths = Vec::with_capacity(number as usize);
    for axis in 1..=number {
        keyword.replace_range(.., naxis);
        keyword.push_str(&axis.to_string());
        let length = header.integer(&keyword)?.ok_or_else(|| header.missing(&keyword))?;
        lengths.push(u64::try_from(length).map_err(|_| header.unfit(&keyword, "is negative"))?);
    }
    Ok(lengths)
}

/// Section 4.4.1.2 of the standard: |BITPIX| · GCOUNT · (PCOUNT + Π NAXISn) bits.
fn data_bytes(header: &Header, kind: Kind, bitpix: Bitpix, axes: &[u64]) -> Result<u64, Error> {
    let element = bitpix.bytes();
    let lengths = if kind == Kind::Groups { &axes[1..] } else { axes };
    let product = if lengths.is_empty() {
        Some(0)
    } else {
        lengths.iter().try_fold(1_u64, |product, &length| product.checked_mul(length))
    };
    let count = |keyword: &str, default: u64| match header.integer(keyword)? {
        Some(value) => u64::try_from(value).map_err(|_| header.unfit(keyword, "is negative")),
        None => Ok(default),
    };
    // A primary image has neither; some writers leave other values there.
    let (pcount, gcount) =
        if header.hdu() == 0 && kind == Kind::Image { (0, 1) } else { (count("PCOUNT", 0)?, count("GCOUNT", 1)?) };
    product
        .and_then(|product| product.checked_add(pcount)?.checked_mul(gcount)?.checked_mul(element))
        .filter(|&bytes| bytes < 1 << 62)
        .ok_or_else(|| header.unfit("NAXIS", "and the axes that it announces make more bytes than any file has"))
}

fn image(header: &Header, bitpix: Bitpix, axes: Vec<u64>, naxis: &str) -> Result<Option<Image>, Error> {
    if axes.is_empty() || axes.contains(&0) {
        return Ok(None);
    }
    if axes.iter().try_fold(8_u64, |product, &length| product.checked_mul(length)).is_none_or(|bits| bits >= 1 << 62) {
        return Err(header.unfit(naxis, "and the axes that it announces make more pixels than any image has"));
    }
    let blank = if bitpix.is_float() { None } else { header.integer("BLANK")? };
    let (scale, zero) = (header.real("BSCALE")?.unwrap_or(1.0), header.real("BZERO")?.unwrap_or(0.0));
    Ok(Some(Image { bitpix, axes, scale, zero, blank }))
}
