"""Other programs' and other ways' predictions: CASA's `ft`, DP3, WSClean, numpy and numba."""

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from casa import configured
from env import Failed, run

SPEED_OF_LIGHT_M_PER_S = 299_792_458.0


@dataclass(frozen=True)
class Source:
    """One component; angles in degrees and arcseconds, J2000, flux in jansky at 1.4 GHz."""

    ra_deg: float
    dec_deg: float
    jy: float
    index: float = 0.0
    # Major and minor axis (FWHM, arcseconds) and position angle (degrees) of a Gaussian.
    shape: tuple[float, float, float] | None = None

    @property
    def bbs(self) -> str:
        kind, axes = ("POINT", ",,") if self.shape is None else ("GAUSSIAN", ",".join(map(repr, self.shape)))
        terms = f"[{self.index!r}]" if self.index else "[]"
        return f"s,{kind},{self.ra_deg!r}deg,{self.dec_deg!r}deg,{self.jy!r},{terms},true,1400000000.0,{axes},true"


def source_list(path: Path, sources: list[Source]) -> Path:
    """A list that DP3 and contimg read. DP3 wants names that differ."""
    names = "Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency, MajorAxis, MinorAxis, Orientation"
    lines = [s.bbs.replace("s,", f"s{i},", 1) for i, s in enumerate(sources)]
    path.write_text("\n".join([f"Format = {names}, OrientationIsAbsolute", *lines]) + "\n")
    return path


def component_list(path: Path, sources: list[Source], scratch: Path) -> Path:
    """CASA's list of the same sources."""
    _casa("--component-list", scratch, str(path), json.dumps([vars(s) for s in sources]))
    return path


def ft(ms: Path, components: Path, scratch: Path) -> float:
    """CASA's `ft` into MODEL_DATA; the seconds that the task took."""
    return _casa("--ft", scratch, str(ms.resolve()), str(components.resolve()))["seconds"]


def _casa(what: str, scratch: Path, *args: str) -> dict:
    command = [sys.executable, str(Path(__file__).resolve()), what, *args]
    return json.loads(run(command, cwd=scratch, env=configured(scratch)).splitlines()[-1])


def dp3(ms: Path, out: Path, sources: Path, threads: int = 1) -> dict[str, float]:
    """DP3's predict into DATA of the set `out`; the seconds that it says each step took."""
    program = Path(sys.executable).parent / "DP3.py"
    command = [
        sys.executable, str(program), f"msin={ms}", f"msout={out}", "msout.overwrite=true", "steps=[predict]",
        f"predict.sourcedb={sources}", "predict.operation=replace", f"numthreads={threads}",
    ]  # fmt: skip
    text = run(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    # `   36.3% (  495 ms) Predict predict.`, at the end.
    seconds = {}
    for line in text.splitlines():
        if "% (" in line and ")" in line:
            amount, unit = line.split("(", 1)[1].split(")", 1)[0].split()
            seconds[line.split(")", 1)[1].strip()] = float(amount) * {"s": 1.0, "ms": 1e-3, "us": 1e-6}[unit]
    return seconds


def wsclean_image(prefix: Path, centre_deg: tuple[float, float], offset_pixels: tuple[int, int], jy: float, hz: float, cell_deg: float, size: int) -> Source:
    """A model image with one bright pixel; the source that it is."""
    from astropy.io import fits
    from astropy.wcs import WCS

    wcs = WCS(naxis=4)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN", "FREQ", "STOKES"]
    wcs.wcs.crval = [*centre_deg, hz, 1.0]
    # WSClean's centre is pixel size/2 + 1.
    wcs.wcs.crpix = [size // 2 + 1, size // 2 + 1, 1, 1]
    wcs.wcs.cdelt = [-cell_deg, cell_deg, 200e6, 1.0]
    wcs.wcs.cunit = ["deg", "deg", "Hz", ""]
    pixels = np.zeros((1, 1, size, size), dtype=np.float32)
    x, y = size // 2 + offset_pixels[0], size // 2 + offset_pixels[1]
    pixels[0, 0, y, x] = jy
    header = wcs.to_header()
    header["BUNIT"] = "JY/PIXEL"
    fits.PrimaryHDU(pixels, header).writeto(f"{prefix}-model.fits", overwrite=True)
    ra, dec = wcs.celestial.all_pix2world([[x, y]], 0)[0]
    return Source(float(ra), float(dec), jy)


def wsclean_predict(ms: Path, prefix: Path) -> float:
    start = time.perf_counter()
    run(["wsclean", "-quiet", "-predict", "-reorder", "-use-wgridder", "-j", "2", "-name", str(prefix), str(ms)])
    return time.perf_counter() - start


def cosines(sources: list[Source], centre_rad: NDArray) -> NDArray[np.float64]:
    """(l, m, n − 1) of each source."""
    ra, dec = np.deg2rad([s.ra_deg for s in sources]), np.deg2rad([s.dec_deg for s in sources])
    ra0, dec0 = centre_rad
    l = np.cos(dec) * np.sin(ra - ra0)
    m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    return np.stack([l, m, np.sqrt(1 - l * l - m * m) - 1], axis=1)


def numpy_kernel(uvw: NDArray, lmn: NDArray, jy: NDArray, freq: NDArray) -> NDArray[np.complex128]:
    """Vectorised over rows and channels, one source after the other: the original's way, with exact geometry."""
    out = np.zeros((len(uvw), len(freq)), dtype=np.complex128)
    scale = 2 * np.pi * freq / SPEED_OF_LIGHT_M_PER_S
    for direction, flux in zip(lmn, jy, strict=True):
        phase = (uvw @ direction)[:, None] * scale[None, :]
        out += flux * (np.cos(phase) + 1j * np.sin(phase))
    return out


def numba_kernels():
    """Two kernels in numba: one sincos each, and a recurrence along the channels."""
    import numba

    @numba.njit(fastmath=True)
    def sincos(uvw, lmn, jy, freq):
        out = np.zeros((len(uvw), len(freq)), dtype=np.complex128)
        for r in range(len(uvw)):
            for s in range(len(jy)):
                delay = (uvw[r, 0] * lmn[s, 0] + uvw[r, 1] * lmn[s, 1] + uvw[r, 2] * lmn[s, 2]) / SPEED_OF_LIGHT_M_PER_S
                for c in range(len(freq)):
                    phase = 2 * math.pi * delay * freq[c]
                    out[r, c] += jy[s] * complex(math.cos(phase), math.sin(phase))
        return out

    @numba.njit(fastmath=True)
    def recurrence(uvw, lmn, jy, freq):
        out = np.zeros((len(uvw), len(freq)), dtype=np.complex128)
        step_hz = freq[1] - freq[0]
        for r in range(len(uvw)):
            for s in range(len(jy)):
                delay = (uvw[r, 0] * lmn[s, 0] + uvw[r, 1] * lmn[s, 1] + uvw[r, 2] * lmn[s, 2]) / SPEED_OF_LIGHT_M_PER_S
                phase, turn = 2 * math.pi * delay * freq[0], 2 * math.pi * delay * step_hz
                now = jy[s] * complex(math.cos(phase), math.sin(phase))
                step = complex(math.cos(turn), math.sin(turn))
                for c in range(len(freq)):
                    out[r, c] += now
                    now *= step
        return out

    return sincos, recurrence


def vectorised_column(ms: Path, ra_deg: float, dec_deg: float, jy: float) -> None:
    """The original's way of filling MODEL_DATA, in numpy and python-casacore: whole columns, small angles, no w."""
    from casacore.tables import table

    with table(str(ms / "FIELD"), ack=False) as t:
        centres = t.getcol("PHASE_DIR")[:, 0, :]
    with table(str(ms / "DATA_DESCRIPTION"), ack=False) as t:
        windows = t.getcol("SPECTRAL_WINDOW_ID")
    with table(str(ms / "SPECTRAL_WINDOW"), ack=False) as t:
        freq = t.getcol("CHAN_FREQ")
    with table(str(ms), readonly=False, ack=False) as t:
        uvw, ddid, field = t.getcol("UVW"), t.getcol("DATA_DESC_ID"), t.getcol("FIELD_ID")
        shape = t.getcell("DATA", 0).shape
        ra0, dec0 = centres[field, 0], centres[field, 1]
        offset_ra = (np.deg2rad(ra_deg) - ra0) * np.cos(dec0)
        offset_dec = np.deg2rad(dec_deg) - dec0
        wavelength = 3e8 / freq[windows[ddid]]
        phase = 2 * np.pi * (uvw[:, 0] * offset_ra + uvw[:, 1] * offset_dec)[:, None] / wavelength
        phase = np.mod(phase + np.pi, 2 * np.pi) - np.pi
        model = (jy * (np.cos(phase) + 1j * np.sin(phase))).astype(np.complex64)
        whole = np.zeros((len(uvw), *shape), dtype=np.complex64)
        whole[:] = model[:, :, None]
        t.putcol("MODEL_DATA", whole)
        t.flush()


def without_column(ms: Path, name: str = "MODEL_DATA") -> None:
    """The set as it was before anything was predicted."""
    from casacore.tables import table

    with table(str(ms), readonly=False, ack=False) as t:
        t.removecols(name)


def as_one_field(ms: Path) -> None:
    """All rows of one field, since WSClean predicts one at a time."""
    from casacore.tables import table

    with table(str(ms), readonly=False, ack=False) as t:
        t.putcol("FIELD_ID", np.zeros(t.nrows(), dtype=np.int32))


def add_imaging_columns(ms: Path) -> None:
    from casacore.tables import addImagingColumns

    addImagingColumns(str(ms), ack=False)


def _child(what: str, args: list[str]) -> dict:
    """What `_casa` starts."""
    if what == "--vectorised":
        vectorised_column(Path(args[0]), float(args[1]), float(args[2]), float(args[3]))
        return {}
    from casatasks import casalog, ft as task
    from casatools import componentlist

    casalog.showconsole(False)
    if what == "--component-list":
        path, sources = Path(args[0]), [Source(**s) for s in json.loads(args[1])]
        subprocess.run(["rm", "-rf", str(path)], check=True)
        cl = componentlist()
        for s in sources:
            options = {}
            if s.shape is not None:
                major, minor, angle = s.shape
                options = {"majoraxis": f"{major}arcsec", "minoraxis": f"{minor}arcsec", "positionangle": f"{angle}deg"}
            if s.index:
                options |= {"spectrumtype": "spectral index", "index": [s.index]}
            cl.addcomponent(dir=f"J2000 {s.ra_deg!r}deg {s.dec_deg!r}deg", flux=s.jy, fluxunit="Jy", freq="1.4GHz",
                            shape="point" if s.shape is None else "Gaussian", **options)  # fmt: skip
        cl.rename(str(path))
        cl.close()
        return {}
    start = time.perf_counter()
    task(vis=args[0], complist=args[1], usescratch=True)
    return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    try:
        print(json.dumps(_child(sys.argv[1], sys.argv[2:])))
    except Failed as failed:
        sys.exit(str(failed))
