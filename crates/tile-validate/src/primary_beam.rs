//! The names that the file with a tile's primary beam can have.

use std::path::{Path, PathBuf};

/// Endings of a tile's name, and those that its beam has instead; WSClean's, then others'.
const ENDINGS: &[(&str, &[&str])] = &[
    ("-image-pb.fits", &["-beam-0.fits", "-beam-I.fits", "-beam.fits"]),
    ("-image.fits", &["-beam-0.fits", "-beam-I.fits", "-beam.fits"]),
    (".image.fits", &[".pb.fits"]),
    (".pbcor.fits", &[".pb.fits"]),
    (".fits", &[".pb.fits", "-beam-0.fits", "-pb.fits"]),
];

/// The names, likeliest first. They come from the end of the tile's name, and none of them is the tile itself: a replacement
/// that does not match gives a name back unchanged, which exists.
#[must_use]
pub fn primary_beam_names(tile: &Path) -> Vec<PathBuf> {
    let Some(name) = tile.file_name().and_then(|n| n.to_str()) else { return Vec::new() };
    let mut names: Vec<PathBuf> = Vec::new();
    for (ending, others) in ENDINGS {
        if let Some(stem) = name.strip_suffix(ending).filter(|stem| !stem.is_empty()) {
            for other in *others {
                let path = tile.with_file_name(format!("{stem}{other}"));
                // `X-image-pb.fits` is the image corrected for the beam.
                if path != tile && !names.contains(&path) && corrected_by_name(&path) != Some(true) {
                    names.push(path);
                }
            }
        }
    }
    names
}

/// Whether the name says that the tile was corrected for the primary beam; `None` when it says nothing.
pub(crate) fn corrected_by_name(tile: &Path) -> Option<bool> {
    let name = tile.file_name()?.to_str()?;
    if [".pbcor.fits", "-image-pb.fits", "-pbcor.fits"].iter().any(|ending| name.ends_with(ending)) {
        Some(true)
    } else if ["-image.fits", ".image.fits"].iter().any(|ending| name.ends_with(ending)) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tile_is_its_own_beam() {
        let first = |name: &str| {
            let names = primary_beam_names(Path::new(name));
            assert!(!names.contains(&PathBuf::from(name)), "{name}");
            names.first().map(|p| p.display().to_string())
        };
        assert_eq!(first("d/X-image-pb.fits").as_deref(), Some("d/X-beam-0.fits"));
        assert_eq!(first("d/X-MFS-image.fits").as_deref(), Some("d/X-MFS-beam-0.fits"));
        assert_eq!(first("X.fits").as_deref(), Some("X.pb.fits"));
        // The corrected image is nobody's beam.
        let all = primary_beam_names(Path::new("d/X-image.fits"));
        assert!(!all.contains(&PathBuf::from("d/X-image-pb.fits")) && all.len() >= 3, "{all:?}");
        // What defeated the original: a name in which there is nothing to replace.
        assert_eq!(first("X-beam-0.fits").as_deref(), Some("X-beam-0.pb.fits"));
        assert_eq!(first("-image.fits").as_deref(), Some("-image.pb.fits"));
        assert_eq!(first("X.image"), None);
    }
}
