"""The Measurement Set that pyuvdata makes of UVH5 files: the independent truth of the content comparison."""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import erfa
import h5py
import numpy as np
from astropy.time import Time
from astropy.utils import iers
from numpy.typing import NDArray
from pyuvdata import UVData
from pyuvdata.utils import phasing

# Earth-orientation data come from the installed package, never from the network, and dates beyond them are extrapolated.
iers.conf.auto_download = False
iers.conf.auto_max_age = None
iers.conf.iers_degraded_accuracy = "warn"

# As the original pipeline reads them: no checks (original-pipeline.md, section 1.1).
UNCHECKED = {"run_check": False, "run_check_acceptability": False, "strict_uvw_antpos_check": False, "check_extra": False}


def _native(dtype: np.dtype) -> np.dtype:
    return dtype.newbyteorder("=") if h5py.check_dtype(vlen=dtype) is None and h5py.check_dtype(enum=dtype) is None else dtype


def _unreadable(path: Path) -> list[str]:
    """Why pyuvdata 3.2.8 cannot read a file that the format allows, or that is known from the field."""
    reasons = []
    with h5py.File(path) as f:
        foreign = [f[n].dtype != _native(f[n].dtype) for n in ("Data/visdata", "Header/ant_1_array", "Header/time_array")]
        if any(foreign):
            reasons.append("pyuvdata cannot use big-endian data: it got a copy in native order")
        try:
            bytes(f["Header/history"][()]).decode()
        except UnicodeDecodeError:
            reasons.append("pyuvdata cannot read a history that is not UTF-8: it got a copy without it")
    return reasons


def _readable_copy(path: Path, folder: Path) -> Path:
    """A copy with every number in this machine's byte order and an empty history."""
    copy = folder / path.name
    with h5py.File(path) as source, h5py.File(copy, "w") as target:

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if not isinstance(item, h5py.Dataset):
                target.require_group(name)
            elif name == "Header/history":
                target[name] = np.bytes_(b"")
            else:
                native = _native(item.dtype)
                target.create_dataset(name, data=np.asarray(item[()]).astype(native), dtype=native)

        source.visititems(visit)
    return copy


def _drop_unnumbered_antennas(uv: UVData) -> int:
    """Removes antennas numbered −1, as old HERA files pad their list; pyuvdata would write them over the last antenna."""
    keep = uv.telescope.antenna_numbers >= 0
    if keep.all():
        return 0
    scope = uv.telescope
    for name in ("antenna_numbers", "antenna_names", "antenna_positions", "antenna_diameters", "mount_type"):
        values = getattr(scope, name)
        if values is not None:
            setattr(scope, name, np.asarray(values)[keep])
    scope.Nants = int(keep.sum())
    return int((~keep).sum())


def read_group(paths: Sequence[Path]) -> tuple[UVData, list[str]]:
    """Reads and joins the files of a group, ascending in frequency; with remarks on what had to be repaired first."""
    remarks: dict[str, None] = {}  # in order, each once
    parts = []
    with TemporaryDirectory() as folder:
        for path in paths:
            if reasons := _unreadable(path):
                remarks |= dict.fromkeys(reasons)
                path = _readable_copy(path, Path(folder))
            uv = UVData()
            uv.read(path, file_type="uvh5", **UNCHECKED)
            uv.uvw_array = uv.uvw_array.astype(np.float64)
            parts.append(uv)
    parts.sort(key=lambda p: p.freq_array.min())
    joined = parts[0]
    if len(parts) > 1:
        joined.fast_concat(parts[1:], axis="freq", inplace=True, **UNCHECKED)
    joined.reorder_freqs(channel_order="freq", run_check=False)
    if dropped := _drop_unnumbered_antennas(joined):
        remarks[f"{dropped} antennas numbered −1 are left out of pyuvdata's list, which they would corrupt"] = None
    return joined, list(remarks)


def is_phased(uv: UVData) -> bool:
    """Whether every row already belongs to a catalogued direction."""
    return not np.any(uv._check_for_cat_type("unprojected"))


def meridian_declination(paths: Sequence[Path]) -> float | None:
    """The apparent declination on the meridian at which DSA-110's writer fringe-stopped the data, if it says that it did."""
    with h5py.File(paths[0]) as f:
        extra = f["Header"].get("extra_keywords", {})
        epoch = extra["phase_center_epoch"][()] if "phase_center_epoch" in extra else b""
        if "ha_phase_center" not in extra or extra["ha_phase_center"][()] != 0.0 or epoch not in (b"HADEC", "HADEC"):
            return None
        return float(f["Header/phase_center_app_dec"][()])


def pointing_declination(paths: Sequence[Path]) -> float | None:
    """The apparent declination that the dishes pointed at, where the header has one for all rows."""
    with h5py.File(paths[0]) as f:
        header = f["Header"]
        for name in ("phase_center_app_dec", "extra_keywords/phase_center_dec"):
            if name in header and header[name].size == 1:
                return float(header[name][()])
    return None


def tell_meridian(uv: UVData, app_dec_rad: float) -> None:
    """Tells pyuvdata what the file does not: hour angle 0 at this declination is the phase centre of every integration.

    A `driftscan` entry is a fixed azimuth and elevation; `phase()` takes the rows' own `w` out for every type but
    `unprojected`. That `w` comes from the antenna positions in f64, since the file's is rounded to f32.
    """
    azimuth, elevation = erfa.hd2ae(0.0, app_dec_rad, uv.telescope.location.lat.rad)
    uv.phase_center_catalog = {}
    uv.phase_center_id_array[:] = uv._add_phase_center(
        "meridian", cat_type="driftscan", cat_lon=float(azimuth), cat_lat=float(elevation), cat_frame="altaz"
    )
    uv.phase_center_app_ra = uv.lst_array.copy()
    uv.phase_center_app_dec = np.full(uv.Nblts, app_dec_rad)
    uv.phase_center_frame_pa = np.zeros(uv.Nblts)
    uv.uvw_array = phasing.calc_uvw(
        app_ra=uv.phase_center_app_ra,
        app_dec=uv.phase_center_app_dec,
        frame_pa=uv.phase_center_frame_pa,
        lst_array=uv.lst_array,
        use_ant_pos=True,
        antenna_positions=uv.telescope.antenna_positions,
        antenna_numbers=uv.telescope.antenna_numbers,
        ant_1_array=uv.ant_1_array,
        ant_2_array=uv.ant_2_array,
        telescope_lat=uv.telescope.location.lat.rad,
        telescope_lon=uv.telescope.location.lon.rad,
    )


def phase_to(uv: UVData, time_s: NDArray[np.float64], centre: NDArray[np.float64]) -> None:
    """Phases every integration to the centre that the other program gave it.

    `time_s`: [row], MJD seconds, and `centre`: [row, 2], ICRS radians, of the other program's rows.
    """
    jd = time_s / 86400.0 + 2_400_000.5
    own = np.unique(uv.time_array)
    nearest = {t: centre[np.argmin(np.abs(jd - t))] for t in own}
    for i, direction in enumerate(np.unique(np.array(list(nearest.values())), axis=0)):
        mask = np.isin(uv.time_array, [t for t, c in nearest.items() if np.array_equal(c, direction)])
        uv.phase(
            lon=direction[0],
            lat=direction[1],
            phase_frame="icrs",
            cat_type="sidereal",
            cat_name=f"centre{i}",
            select_mask=None if mask.all() else mask,
        )


def meridian_icrs(uv: UVData, app_dec_rad: float, jd_utc: float) -> dict[str, NDArray[np.float64]]:
    """Hour angle 0 at an apparent declination, as ICRS, by two ways that share no code with us.

    `astropy`: its HADec frame; `pyuvdata`: its own use of ERFA with the local sidereal time.
    """
    import astropy.units as u
    from astropy.coordinates import HADec, SkyCoord

    location = uv.telescope.location
    time = Time(jd_utc, format="jd", scale="utc", location=location)
    sky = SkyCoord(0.0 * u.rad, app_dec_rad * u.rad, frame=HADec(obstime=time, location=location)).icrs
    lst = time.sidereal_time("apparent").rad
    ra, dec = phasing.transform_app_to_icrs(
        time_array=np.array([jd_utc]), app_ra=lst, app_dec=np.float64(app_dec_rad), telescope_loc=location
    )
    return {
        "astropy": np.array([sky.ra.rad, sky.dec.rad]),
        "pyuvdata": np.array([np.ravel(ra)[0], np.ravel(dec)[0]]),
    }


def write(uv: UVData, ms: Path) -> None:
    """Writes pyuvdata's Measurement Set. What it prints and warns about is its own affair."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        uv.write_ms(str(ms), clobber=True, run_check=False, check_extra=False, run_check_acceptability=False)
