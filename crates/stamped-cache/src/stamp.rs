//! What is compared: one file's stamp, and the difference between two of them.

use std::ffi::CStr;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

/// A moment as a file system keeps it: seconds and nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime {
    /// Whole seconds since 1970-01-01 UTC; negative before.
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl FileTime {
    /// The present, by the same clock that local file systems use.
    pub(crate) fn now() -> Self {
        // A clock before 1970 counts as 1970: then every file looks recent, and nothing is kept.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seconds: since.as_secs().cast_signed(), nanoseconds: since.subsec_nanos() }
    }

    fn plus(self, step: Duration) -> Self {
        let nanoseconds = self.nanoseconds.saturating_add(step.subsec_nanos());
        let seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
        Self {
            seconds: self.seconds.saturating_add(seconds).saturating_add(i64::from(nanoseconds / 1_000_000_000)),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }
}

impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.seconds, self.nanoseconds)
    }
}

/// The state of one path, as `stat` tells it. Symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stamp {
    /// There is a file (or a directory) of this identity.
    Present(Identity),
    /// There is nothing under this name.
    Absent,
    /// `stat` failed with this error number, so nothing is known. Never equal to an earlier state.
    Unreadable(i32),
}

/// What tells one state of a file from every other state of it, and from every other file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device number of the file system.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// When the content was last modified; any program can set it back.
    pub mtime: FileTime,
    /// When the inode last changed; set by the kernel alone.
    pub ctime: FileTime,
}

/// One of the things that a stamp holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The file came, went, or could not be looked at.
    Existence,
    /// It lies on another file system.
    Device,
    /// It is another file under the same name.
    Inode,
    /// Its size differs.
    Size,
    /// Its time of modification differs.
    Mtime,
    /// Its time of change differs.
    Ctime,
}

/// Whether the device number takes part in a comparison.
///
/// It does within one boot of one machine. After a reboot, or on another node that mounts the same disk, the same file
/// may have another device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Devices {
    Compared,
    Ignored,
}

impl Stamp {
    /// The present state of `path`, in one system call.
    #[inline]
    pub(crate) fn of(path: &CStr) -> Self {
        Self::from_result(rustix::fs::stat(path))
    }

    /// The present state of `path`, which is relative to the open `folder`.
    #[inline(always)]
    pub(crate) fn below(folder: &OwnedFd, path: &CStr) -> Self {
        Self::from_result(rustix::fs::statat(folder, path, AtFlags::empty()))
    }

    #[inline(always)]
    fn from_result(stat: rustix::io::Result<rustix::fs::Stat>) -> Self {
        match stat {
            Ok(stat) => Self::Present(Identity::from_stat(&stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Self::Absent,
            Err(errno) => Self::Unreadable(errno.raw_os_error()),
        }
    }

    /// Whether `now` is the same state as this one.
    #[inline(always)]
    pub(crate) fn same(&self, now: &Self, devices: Devices) -> bool {
        match (self, now) {
            (Self::Present(a), Self::Present(b)) => {
                a.ctime == b.ctime
                    && a.size == b.size
                    && a.inode == b.inode
                    && a.mtime == b.mtime
                    && (devices == Devices::Ignored || a.device == b.device)
            }
            (Self::Absent, Self::Absent) => true,
            _ => false,
        }
    }

    /// Whether a change after `clock` is bound to show in this stamp, which was taken at `clock` or later.
    ///
    /// It is when the last change lies at least `settle` before `clock`. Otherwise a second change in the same tick of
    /// the file system's clock, or the rest of a `write` that is still going on, could leave the same stamp. Two seconds
    /// more are asked where both times are whole seconds, since the file system may keep no finer ones (FAT: two).
    pub(crate) fn settled(&self, clock: FileTime, settle: Duration) -> bool {
        match self {
            Self::Absent => true,
            Self::Unreadable(_) => false,
            Self::Present(id) => {
                // A modification time in the future was set by hand: then only the time of change tells.
                let last = if id.mtime > clock { id.ctime } else { id.ctime.max(id.mtime) };
                let whole = id.ctime.nanoseconds == 0 && id.mtime.nanoseconds == 0;
                let window = if whole { settle + Duration::from_secs(2) } else { settle };
                last.plus(window) <= clock
            }
        }
    }
}

impl Identity {
    /// The present state of an open file.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::InvalidInput`] for what is not a regular file: nothing that `fstat` tells
    /// of a folder, a pipe or a device says what can be read from it.
    #[inline]
    pub fn of_open(file: impl AsFd) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Self::from_stat(&stat))
    }

    #[inline(always)]
    pub(crate) fn from_stat(stat: &rustix::fs::Stat) -> Self {
        let time = |seconds: i64, nanoseconds: u32| FileTime { seconds, nanoseconds: coarse(nanoseconds) };
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.cast_unsigned(),
            mtime: time(stat.st_mtime, stat.st_mtime_nsec as u32),
            ctime: time(stat.st_ctime, stat.st_ctime_nsec as u32),
        }
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        let time = |seconds: i64, nanoseconds: i64| FileTime { seconds, nanoseconds: coarse(nanoseconds as u32) };
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(not(test))]
#[inline]
fn coarse(nanoseconds: u32) -> u32 {
    nanoseconds
}

#[cfg(test)]
thread_local! {
    /// The tick of the pretended clock of file systems in this thread, nanoseconds.
    pub(crate) static TICK: std::cell::Cell<u32> = const { std::cell::Cell::new(1) };
}

#[cfg(test)]
fn coarse(nanoseconds: u32) -> u32 {
    nanoseconds - nanoseconds % TICK.get()
}

/// One file that is no longer as it was when a value was computed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file, or the directory whose listing was used.
    pub path: PathBuf,
    /// Its state when the value was computed.
    pub from: Stamp,
    /// Its state now.
    pub to: Stamp,
}

impl Change {
    /// Everything that differs between the two states, in the order of [`Field`].
    pub fn fields(&self) -> Vec<Field> {
        let (Stamp::Present(a), Stamp::Present(b)) = (&self.from, &self.to) else {
            return vec![Field::Existence];
        };
        let differs = [
            (Field::Device, a.device != b.device),
            (Field::Inode, a.inode != b.inode),
            (Field::Size, a.size != b.size),
            (Field::Mtime, a.mtime != b.mtime),
            (Field::Ctime, a.ctime != b.ctime),
        ];
        differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        let (a, b) = match (&self.from, &self.to) {
            (Stamp::Present(a), Stamp::Present(b)) => (a, b),
            (_, Stamp::Unreadable(errno)) | (Stamp::Unreadable(errno), _) => {
                return write!(f, "cannot be looked at: {}", std::io::Error::from_raw_os_error(*errno));
            }
            (Stamp::Absent, _) => return f.write_str("has appeared"),
            (_, Stamp::Absent) => return f.write_str("has vanished"),
        };
        for (i, field) in self.fields().into_iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            match field {
                Field::Device => write!(f, "device {} -> {}", a.device, b.device)?,
                Field::Inode => write!(f, "inode {} -> {}", a.inode, b.inode)?,
                Field::Size => write!(f, "size {} -> {}", a.size, b.size)?,
                Field::Mtime => write!(f, "mtime {} -> {}", a.mtime, b.mtime)?,
                Field::Ctime => write!(f, "ctime {} -> {}", a.ctime, b.ctime)?,
                Field::Existence => f.write_str("existence")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> FileTime {
        FileTime { seconds, nanoseconds }
    }

    fn present(mtime: FileTime, ctime: FileTime) -> Stamp {
        Stamp::Present(Identity { device: 1, inode: 2, size: 3, mtime, ctime })
    }

    #[test]
    fn a_recent_change_is_not_settled_whatever_mtime_says() {
        let settle = Duration::from_millis(20);
        let now = at(100, 10_000_000);
        assert!(!present(at(50, 1), at(100, 1)).settled(now, settle), "back-dated by utimes, changed 10 ms ago");
        assert!(present(at(50, 1), at(99, 990_000_000)).settled(now, settle), "changed exactly 20 ms ago");
        assert!(!present(at(50, 1), at(101, 0)).settled(now, settle), "a clock ahead of ours");
        assert!(present(at(500, 1), at(50, 1)).settled(now, settle), "mtime set to the future long ago");
    }

    #[test]
    fn whole_seconds_ask_for_two_more() {
        let settle = Duration::from_millis(20);
        assert!(!present(at(98, 0), at(98, 0)).settled(at(100, 0), settle));
        assert!(present(at(98, 0), at(98, 0)).settled(at(100, 20_000_000), settle));
    }

    #[test]
    fn devices_are_ignored_only_when_asked() {
        let a = present(at(1, 1), at(1, 1));
        let Stamp::Present(mut id) = a else { unreachable!() };
        id.device = 9;
        let b = Stamp::Present(id);
        assert!(!a.same(&b, Devices::Compared));
        assert!(a.same(&b, Devices::Ignored));
        assert!(!Stamp::Unreadable(13).same(&Stamp::Unreadable(13), Devices::Compared));
    }

    #[test]
    fn a_change_names_every_field() {
        let change = Change { path: "/a".into(), from: present(at(1, 1), at(1, 1)), to: present(at(1, 1), at(2, 5)) };
        assert_eq!(change.fields(), [Field::Ctime]);
        assert_eq!(change.to_string(), "/a: ctime 1.000000001 s -> 2.000000005 s");
    }
}
