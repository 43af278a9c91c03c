//! Which files of a folder are tiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::failure::{Class, Failure};

/// What a tile's name ends in.
const ENDING: &str = "-image.fits";

/// Tiles, and what was in their folders besides.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chosen {
    /// The tiles, in the order in which they were given; those of a folder by name, its own before those of folders in it.
    pub(super) tiles: Vec<PathBuf>,
    /// FITS files of the folders that are no tiles.
    pub(super) passed_over: Vec<PathBuf>,
}

/// The tiles that arguments name: files as they are, and of folders, at any depth, what WSClean calls an image.
///
/// An image of one channel (`X-0003-image.fits`) is none where the whole band's is there (`X-MFS-image.fits`), and one of Stokes
/// Q, U or V none where that of I is.
pub(super) fn choose(given: &[PathBuf]) -> Result<Chosen, Failure> {
    let mut chosen = Chosen::default();
    for path in given {
        if !path.is_dir() {
            chosen.tiles.push(path.clone());
            continue;
        }
        let before = chosen.tiles.len();
        walk(path, &mut chosen)?;
        if chosen.tiles.len() == before {
            let message = format!("{}: no tile is there", path.display());
            return Err(Failure::new(Class::Input, message)
                .hint("a folder stands for the files in it that end in -image.fits; name others one by one"));
        }
    }
    Ok(chosen)
}

/// Links to folders are not followed, as they may lead in a circle; hidden folders are what runs and products keep to themselves.
fn walk(folder: &Path, chosen: &mut Chosen) -> Result<(), Failure> {
    let refused = |e: std::io::Error| Failure::io(Class::Input, format!("cannot list {}", folder.display()), &e);
    let (mut names, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        if entry.file_type().map_err(refused)?.is_dir() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                folders.insert(entry.path());
            }
        } else if let Ok(name) = entry.file_name().into_string()
            // A name that is not text is no tile's.
            && name.ends_with(".fits")
        {
            names.insert(name);
        }
    }
    let (tiles, others): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| is_tile(name, &names));
    let beams: BTreeSet<PathBuf> =
        tiles.iter().flat_map(|tile| tile_validate::primary_beam_names(Path::new(tile))).collect();
    chosen.tiles.extend(tiles.into_iter().map(|name| folder.join(name)));
    let others = others.into_iter().filter(|name| !beams.contains(Path::new(name)));
    chosen.passed_over.extend(others.map(|name| folder.join(name)));
    // A table has thousands of files and no images.
    folders.iter().filter(|folder| !folder.join("table.dat").exists()).try_for_each(|folder| walk(folder, chosen))
}

fn is_tile(name: &str, names: &BTreeSet<String>) -> bool {
    let Some(stem) = name.strip_suffix(ENDING) else { return false };
    let instead = |stem: &str| names.contains(&format!("{stem}{ENDING}"));
    let (rest, stokes) = match stem.rsplit_once('-') {
        Some((rest, stokes @ ("I" | "Q" | "U" | "V"))) => (rest, Some(stokes)),
        _ => (stem, None),
    };
    if stokes.is_some_and(|stokes| stokes != "I") && instead(&format!("{rest}-I")) {
        return false;
    }
    match rest.rsplit_once('-') {
        Some((whole, channel)) if channel.len() == 4 && channel.bytes().all(|b| b.is_ascii_digit()) => {
            let band = format!("{whole}-MFS");
            !instead(&stokes.map_or(band.clone(), |stokes| format!("{band}-{stokes}")))
        }
        _ => true,
    }
}

/// What was passed over, by kind; `None` where nothing was.
pub(super) fn words(passed_over: &[PathBuf]) -> Option<String> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for path in passed_over {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let kind = name.rfind('-').map_or(".fits", |dash| &name[dash..]);
        *kinds.entry(kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    (!kinds.is_empty()).then(|| format!("passed over, being no tiles: {}", kinds.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_wsclean_holds_one_tile_for_each_image() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str| std::fs::write(folder.path().join(name), "").expect("a file");
        let made = ["a-image", "a-residual", "a-psf", "a-dirty", "a-model", "a-beam-0", "a-image-pb"];
        let bands = ["b-MFS-image", "b-0000-image", "b-0001-image", "b-0001-psf", "c-0000-image", "2026-0125-image"];
        let stokes =
            ["d-I-image", "d-Q-image", "d-V-image", "e-Q-image", "f-MFS-I-image", "f-MFS-Q-image", "f-0000-I-image"];
        for name in made.into_iter().chain(bands).chain(stokes) {
            put(&format!("{name}.fits"));
        }
        put("notes.txt");
        let chosen = choose(&[folder.path().to_path_buf(), "x.fits".into()]).expect("tiles");
        let names = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|p| p.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()).collect()
        };
        let tiles = [
            "2026-0125-image",
            "a-image",
            "b-MFS-image",
            "c-0000-image",
            "d-I-image",
            "e-Q-image",
            "f-MFS-I-image",
            "x",
        ];
        assert_eq!(names(&chosen.tiles), tiles);
        assert!(names(&chosen.passed_over).iter().all(|name| name != "a-beam-0"), "it is a tile's primary beam");
        assert_eq!(
            words(&chosen.passed_over).as_deref(),
            Some(
                "passed over, being no tiles: 1 -dirty.fits, 6 -image.fits, 1 -model.fits, 1 -pb.fits, 2 -psf.fits, 1 -residual.fits"
            )
        );
        let empty = tempfile::tempdir().expect("a folder");
        assert!(choose(&[empty.path().to_path_buf()]).is_err());
    }

    #[test]
    fn the_images_of_a_night_lie_in_a_folder_for_each_set() {
        let night = tempfile::tempdir().expect("a folder");
        for (folder, name) in [
            ("b", "b-image.fits"),
            ("b", "b-beam-0.fits"),
            ("a", "a-image.fits"),
            (".a.tmp-1", "a-image.fits"),
            ("c.ms", "table.dat"),
            ("c.ms", "c-image.fits"),
        ] {
            let folder = night.path().join("images").join(folder);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join(name), "").expect("a file");
        }
        std::os::unix::fs::symlink("..", night.path().join("images/circle")).expect("a link");
        let chosen = choose(&[night.path().to_path_buf()]).expect("tiles");
        let tiles = ["a/a-image.fits", "b/b-image.fits"].map(|name| night.path().join("images").join(name));
        assert_eq!((chosen.tiles.as_slice(), chosen.passed_over.len()), (&tiles[..], 0));
    }
}
