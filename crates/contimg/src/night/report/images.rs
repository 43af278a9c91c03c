//! A night's images: which there are, how the rules judge them, and small pictures.

use std::path::{Path, PathBuf};

use orchestrator::{Record, Resource, State};
use report::Picture;
use serde_json::Value;
use tile_validate::{FitsCache, Report, Rules};

use super::super::{ledger::DATABASE, register::images_in};
use crate::{failure::Failure, tiles};

/// The images, judged as tiles.
pub(super) struct Images {
    pub report: Report,
    /// Everything that was found.
    pub document: Value,
    /// Of each image that has one, with the name of its set.
    pub pictures: Vec<Picture>,
}

/// Pictures at most.
const PICTURES: usize = 200;

impl Images {
    /// Of the images that the records name; `None` when there is none.
    pub(super) fn of(work: &Path, records: &[Record], no_cache: bool) -> Result<Option<Self>, Failure> {
        let mut paths: Vec<(PathBuf, &str)> = Vec::new();
        for record in records.iter().filter(|record| record.state == State::Done) {
            for key in record.outputs.keys().filter(|key| matches!(Resource::parse(key), Resource::Path(_))) {
                let found = images_in(&work.join(key))?;
                paths.extend(found.into_iter().filter(|path| is_image(path)).map(|path| (path, record.set.as_str())));
            }
        }
        if paths.is_empty() {
            return Ok(None);
        }
        let cache: FitsCache = tiles::cache(None, no_cache);
        let tiles: Vec<PathBuf> = paths.iter().map(|(path, _)| path.clone()).collect();
        let database = work.join(DATABASE);
        let database = database.is_file().then_some(database.as_path());
        let report = tiles::judge((&tiles, None), database, &Rules::default(), &cache, &|_| ())?;
        let pictures = report
            .tiles
            .iter()
            .take(PICTURES)
            .filter_map(|facts| {
                let tile = facts.tile.as_deref().ok()?;
                let noise = tile.noise_jy.map_or_else(|| "–".to_owned(), |noise| format!("{:.3} mJy", 1e3 * noise));
                let peak = tile.max_jy.map_or_else(|| "–".to_owned(), |peak| format!("{peak:.3} Jy"));
                Some(tiles::picture(facts, &cache)?.caption(format!("noise {noise}, peak {peak} a beam")))
            })
            .collect();
        let document = tiles::document(&report, &[], &cache);
        Ok(Some(Self { report, document, pictures }))
    }
}

/// Residuals, models and beams of an imager are none of the images that a person looks for.
fn is_image(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with("-image.fits") || name.ends_with("-image-pb.fits")
}
