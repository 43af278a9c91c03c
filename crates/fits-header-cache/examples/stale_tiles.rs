//! Stale answers about tiles, looked for: `cargo run --release --example stale_tiles -- [STEPS] [SEED]`.
//!
//! Some tiles change often, most rarely, so that many answers come from the cache. After every look-up the file itself is read
//! by other code, at fixed places, and says what the answer should have been.

use std::error::Error;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use fits_header_cache::{Area, FitsCache, Options};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TILES: usize = 120;
/// The first ones change ten times as often as all others together.
const BUSY: usize = 12;
/// Where the value of BMAJ stands: the sixth card.
const BMAJ_AT: u64 = 5 * 80 + 10;
const PIXELS_AT: u64 = 2880;

/// What a tile says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Answer {
    /// BMAJ; `None` where the file is no FITS file.
    bmaj: Option<f64>,
    /// The greatest pixel; `None` where they are not all there.
    peak: Option<f64>,
}

/// No change is older than this when its file is read, so that provisional values and settled ones both occur, however short
/// the run; local file systems keep times that are finer by far.
const SETTLE: Duration = Duration::from_millis(20);

struct World {
    folder: PathBuf,
    random: ChaCha8Rng,
    /// Every value is new.
    next: u32,
    rsync: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let steps: u64 = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let seed: u64 = args.next().map_or(Ok(1), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let rsync = Command::new("rsync").arg("--version").output().is_ok();
    if !rsync {
        eprintln!("rsync is not installed: cp -p instead");
    }
    let (tiles, store) = (folder.path().join("tiles"), folder.path().join("cache"));
    fs::create_dir(&tiles)?;
    let mut world = World { folder: tiles, random: ChaCha8Rng::seed_from_u64(seed), next: 1, rsync };
    for tile in 0..TILES {
        world.replace(&world.path(tile))?;
    }

    let cache = || FitsCache::new(Options { settle: SETTLE, ..Options::default() });
    let memory = cache();
    let mut disk = cache().with_folder(&store)?;
    let (mut stale, mut changes, mut looks, mut hits, mut disk_hits, mut damages) = (0_u64, 0_u64, 0_u64, 0, 0, 0_u64);
    for step in 0..steps {
        let tile = if world.random.random_ratio(10, 11) {
            world.random.random_range(0..BUSY)
        } else {
            world.random.random_range(BUSY..TILES)
        };
        if world.random.random_ratio(1, 3) {
            world.change(tile)?;
            changes += 1;
            // A change is often looked at within the same tick.
            if world.random.random() {
                continue;
            }
        }
        let tile = if world.random.random() { tile } else { world.random.random_range(0..TILES) };
        let path = world.path(tile);
        for (name, cache) in [("memory", &memory), ("disk", &disk)] {
            let answer = look(cache, &path);
            let truth = truth(&path)?;
            looks += 1;
            if answer != truth {
                stale += 1;
                eprintln!("step {step}, {name}: {} is {truth:?}, answered {answer:?}", path.display());
            }
        }
        if step % 997 == 996 {
            // The next process, over a store that is damaged now and then.
            let stats = (disk.file_stats(), disk.statistics_stats());
            hits += stats.0.hits + stats.1.hits;
            disk_hits += stats.0.disk_hits + stats.1.disk_hits;
            drop(disk);
            if world.random.random_ratio(1, 3) {
                damages += world.damage(&store)?;
            }
            disk = cache().with_folder(&store)?;
        }
    }
    for stats in [memory.file_stats(), memory.statistics_stats(), disk.file_stats(), disk.statistics_stats()] {
        hits += stats.hits;
        disk_hits += stats.disk_hits;
    }
    println!(
        "{steps} steps: {changes} changes, {looks} look-ups of headers and of pixels, {hits} answered from memory, {disk_hits} from \
         disk, {damages} bytes of the store damaged: {stale} stale"
    );
    if steps >= 1_000 && (hits == 0 || disk_hits == 0) {
        eprintln!("nothing was answered from the cache: the run shows nothing");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if stale == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn look(cache: &FitsCache, path: &Path) -> Answer {
    let bmaj = cache.file(path).ok().and_then(|file| file.primary().header().real("BMAJ").ok().flatten());
    let peak = cache.statistics(path, &Area::All).ok().and_then(|found| found.moments.extent.map(|extent| extent.max));
    Answer { bmaj, peak }
}

/// By other code: fixed places of the file.
fn truth(path: &Path) -> io::Result<Answer> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Answer { bmaj: None, peak: None }),
        Err(error) => return Err(error),
    };
    // The header is there when its seven cards are, whole; a file that was cut and made longer again has a hole in them.
    let end = bytes.get(6 * 80..7 * 80).is_some_and(|card| card.starts_with(b"END "));
    if !bytes.starts_with(b"SIMPLE  =") || !end {
        return Ok(Answer { bmaj: None, peak: None });
    }
    let number = |at: usize| String::from_utf8_lossy(&bytes[at..at + 20]).trim().parse::<f64>().ok();
    let pixels = number(3 * 80 + 10).unwrap_or(0.0) as usize;
    let peak = bytes
        .get(PIXELS_AT as usize..PIXELS_AT as usize + 4 * pixels)
        .map(|data| data.as_chunks().0.iter().map(|b| f32::from_be_bytes(*b)).fold(f32::NEG_INFINITY, f32::max));
    Ok(Answer { bmaj: number(BMAJ_AT as usize), peak: peak.map(f64::from) })
}

impl World {
    fn path(&self, tile: usize) -> PathBuf {
        self.folder.join(format!("{tile}.fits"))
    }

    /// A value that no tile has had.
    fn value(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (value, pixels) = (self.value(), self.random.random_range(1..400_u32));
        let cards = [
            "SIMPLE  =                    T".to_owned(),
            "BITPIX  =                  -32".to_owned(),
            "NAXIS   =                    1".to_owned(),
            format!("NAXIS1  = {pixels:>20}"),
            "BUNIT   = 'JY/BEAM '".to_owned(),
            format!("BMAJ    = {value:>20}"),
            "END".to_owned(),
        ];
        let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
        bytes.resize(PIXELS_AT as usize, b' ');
        bytes.extend((0..pixels).flat_map(|_| (value as f32).to_be_bytes()));
        bytes.resize(bytes.len().next_multiple_of(2880), 0);
        bytes
    }

    /// A whole new file.
    fn replace(&mut self, path: &Path) -> io::Result<()> {
        let bytes = self.bytes();
        fs::write(path, bytes)
    }

    fn change(&mut self, tile: usize) -> Result<(), Box<dyn Error>> {
        let path = self.path(tile);
        if !path.exists() {
            // What was removed, or hangs on a link to nothing, comes back.
            let _ = fs::remove_file(&path);
            self.replace(&path)?;
            return Ok(());
        }
        match self.random.random_range(0..100) {
            0..20 => self.edit_header(&path)?,
            20..40 => self.edit_pixel(&path)?,
            40..55 => self.replace(&path)?,
            55..67 => {
                let other = self.folder.join("new");
                self.replace(&other)?;
                fs::rename(&other, &path)?;
            }
            67..75 => {
                // In place, and the time of modification put back.
                let modified = fs::metadata(&path)?.modified()?;
                self.edit_header(&path)?;
                self.edit_pixel(&path)?;
                File::options().write(true).open(&path)?.set_times(FileTimes::new().set_modified(modified))?;
            }
            75..80 => {
                let length = self.random.random_range(0..6000);
                File::options().write(true).open(&path)?.set_len(length)?;
            }
            80..84 => fs::remove_file(&path)?,
            84..88 => fs::write(&path, b"not a FITS file any more")?,
            88..92 => {
                // Two tiles change places.
                let other = self.random.random_range(0..TILES);
                let other = self.path(other);
                if other.exists() && other != path {
                    let between = self.folder.join("between");
                    fs::rename(&path, &between)?;
                    fs::rename(&other, &path)?;
                    fs::rename(&between, &other)?;
                }
            }
            92..95 => {
                // The name becomes a link, to a file that is written elsewhere.
                let target = self.folder.join(format!("target-{}", self.random.random_range(0..8)));
                if self.random.random() || !target.exists() {
                    self.replace(&target)?;
                }
                fs::remove_file(&path)?;
                symlink(&target, &path)?;
            }
            95..99 => self.two_writers(&path)?,
            _ => self.copy(&path)?,
        }
        Ok(())
    }

    fn edit_header(&mut self, path: &Path) -> io::Result<()> {
        let text = format!("{:>20}", self.value());
        File::options().write(true).open(path)?.write_all_at(text.as_bytes(), BMAJ_AT)
    }

    fn edit_pixel(&mut self, path: &Path) -> io::Result<()> {
        // Later values are greater, so that this is the peak.
        let value = self.value() as f32;
        File::options().write(true).open(path)?.write_all_at(&value.to_be_bytes(), PIXELS_AT)
    }

    fn two_writers(&mut self, path: &Path) -> io::Result<()> {
        let texts = [self.value(), self.value()].map(|value| format!("{value:>20}"));
        let write = |text: &String| -> io::Result<()> {
            let file = File::options().write(true).open(path)?;
            (0..3).try_for_each(|_| file.write_all_at(text.as_bytes(), BMAJ_AT))
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| write(&texts[0]));
            let this = write(&texts[1]);
            other.join().unwrap_or_else(|_| Err(io::Error::other("the other writer panicked"))).and(this)
        })
    }

    /// By another program that keeps the times of its source.
    fn copy(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let source = self.folder.join("source");
        self.replace(&source)?;
        let old = fs::metadata(path)?.modified()?;
        File::options().write(true).open(&source)?.set_times(FileTimes::new().set_modified(old))?;
        let mut command = if self.rsync && self.random.random() {
            let mut command = Command::new("rsync");
            command.args(["-t", "--ignore-times"]);
            command
        } else {
            let mut command = Command::new("cp");
            command.arg("-p");
            command
        };
        let status = command.arg(&source).arg(path).status()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    }

    /// Changes bytes of the store's files; how many.
    fn damage(&mut self, store: &Path) -> io::Result<u64> {
        let mut damaged = 0;
        for folder in fs::read_dir(store)? {
            for file in fs::read_dir(folder?.path())? {
                let path = file?.path();
                let length = fs::metadata(&path)?.len();
                if path.is_file() && length > 0 && self.random.random() {
                    let file = File::options().write(true).open(&path)?;
                    for _ in 0..self.random.random_range(1..20) {
                        file.write_all_at(&[self.random.random()], self.random.random_range(0..length))?;
                        damaged += 1;
                    }
                }
            }
        }
        Ok(damaged)
    }
}
