"""`cargo xtask compare --image`: a simulated sky, converted by contimg, imaged by WSClean and examined by CASA.

Every simulated source must be within a fifth of a beam of its place and within 3 % of its flux; CASA's `listobs` and
`msmetadata` must answer without an error or warning about the set.
"""

import argparse
import json
import shutil
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.optimize import least_squares

import casa
from env import Env, Failed, run
from rows import field_centres

ARCSEC = np.pi / 180 / 3600
# A beam of the array: 1.4 GHz over its longest baseline of 2.6 km is 17″, somewhat less with Briggs weights.
CELL_ARCSEC = 3.0
# WSClean: w-gridder (exact w terms, and the field is 2° wide), cleaned deep and without noise to hide in.
WSCLEAN = (
    "-j", "2", "-abs-mem", "6", "-use-wgridder", "-scale", f"{CELL_ARCSEC}asec", "-weight", "briggs", "0", "-pol", "I",
    "-niter", "20000", "-nmiter", "12", "-mgain", "0.8", "-auto-threshold", "3", "-no-update-model-required",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One entry of truth.json."""

    name: str
    ra_deg: float
    dec_deg: float
    flux_jy: float


@dataclass(frozen=True)
class Measured:
    """A source in the image."""

    source: Source
    offset_beams: float  # distance from its place in units of the beam's width in that direction
    flux_ratio: float

    @property
    def passed(self) -> bool:
        return self.offset_beams <= 0.2 and abs(self.flux_ratio - 1) <= 0.03


def sources(truth: Path) -> list[Source]:
    """The simulated sources that a total-intensity image shows."""
    listed = json.loads(truth.read_text())["sources"]
    return [
        Source(str(s.get("name", i)), float(s["ra_deg"]), float(s["dec_deg"]), float(s["flux_jy"])) for i, s in enumerate(listed)
    ]


def measure(image: Path, wanted: list[Source]) -> list[Measured]:
    """Fits the restoring beam, with free place and height, to the pixels around each source."""
    with fits.open(image) as f:
        header, pixels = f[0].header, np.squeeze(f[0].data).astype(np.float64)
    wcs = WCS(header).celestial
    cell = abs(header["CDELT2"])
    beam = _beam(header["BMAJ"] / cell, header["BMIN"] / cell, np.deg2rad(header["BPA"]))
    reach = int(np.ceil(0.75 * header["BMAJ"] / cell))
    found = []
    for source in wanted:
        x0, y0 = (float(v) for v in wcs.all_world2pix(source.ra_deg, source.dec_deg, 0))
        if not (reach < x0 < pixels.shape[1] - reach and reach < y0 < pixels.shape[0] - reach):
            found.append(Measured(source, np.inf, 0.0))
            continue
        # The peak near the source, then a fit around it.
        window = 3 * reach
        xi, yi = round(x0), round(y0)
        low_y, low_x = max(yi - window, 0), max(xi - window, 0)
        box = pixels[low_y : yi + window + 1, low_x : xi + window + 1]
        py, px = np.unravel_index(np.argmax(box), box.shape)
        yy, xx = np.mgrid[low_y + py - reach : low_y + py + reach + 1, low_x + px - reach : low_x + px + reach + 1]
        inside = (yy >= 0) & (yy < pixels.shape[0]) & (xx >= 0) & (xx < pixels.shape[1])
        yy, xx = yy[inside], xx[inside]
        values = pixels[yy, xx]

        def residual(p: NDArray, xx: NDArray = xx, yy: NDArray = yy, values: NDArray = values) -> NDArray:
            d = np.stack([xx - p[0], yy - p[1]])
            return p[2] * np.exp(-0.5 * np.einsum("i...,ij,j...->...", d, beam, d)) - values

        fit = least_squares(residual, [low_x + px, low_y + py, box.max()], x_scale=[1, 1, max(box.max(), 1e-9)])
        off = np.array([fit.x[0] - x0, fit.x[1] - y0])
        # exp(−½ dᵀ B d) falls to one half at half a beam's width: dᵀBd = 2 ln 2 there.
        found.append(Measured(source, float(np.sqrt(off @ beam @ off / (8 * np.log(2)))), float(fit.x[2] / source.flux_jy)))
    return found


def _beam(major: float, minor: float, pa: float) -> NDArray[np.float64]:
    """The inverse covariance, in pixels, of a beam of these widths (FWHM); `pa` from north (+y) through east (−x)."""
    axis = np.array([-np.sin(pa), np.cos(pa)])
    across = np.array([np.cos(pa), np.sin(pa)])
    width = np.sqrt(8 * np.log(2))
    return np.outer(axis, axis) * (width / major) ** 2 + np.outer(across, across) * (width / minor) ** 2


def _image_size(ms_centre: NDArray, wanted: list[Source]) -> int:
    """Pixels that reach a little further than the outermost source."""
    ra0, dec0 = ms_centre
    ra, dec = np.deg2rad([s.ra_deg for s in wanted]), np.deg2rad([s.dec_deg for s in wanted])
    l = np.cos(dec) * np.sin(ra - ra0)
    m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    half = max(np.abs(l).max(), np.abs(m).max()) / ARCSEC / CELL_ARCSEC + 150
    return int(np.ceil(2 * half / 100) * 100)


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask compare --image", description=__doc__)
    parser.add_argument("--antennas", type=int, default=48)
    parser.add_argument("--keep", action="store_true", help="leave the set and the image in target/compare-scratch/image")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    env = Env.from_environ()
    folder = env.scratch / "image"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return _compare(env, folder, arguments.antennas, arguments.json)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _compare(env: Env, folder: Path, antennas: int, as_json: bool) -> int:
    say = lambda text: print(text, file=sys.stderr)  # noqa: E731
    say("a sky …")
    files = env.make_group(folder / "in", "--size", "full", "--channels", "8", "--content", "sky", "--antennas", str(antennas))
    wanted = sources(next((folder / "in").glob("*truth.json")))
    say("contimg convert …")
    ms, _ = env.convert(files, folder / "out", "--centres", "mid")
    say("CASA …")
    verdict = casa.examine(ms, folder / "casa")
    size = _image_size(field_centres(ms)[0], wanted)
    say(f"WSClean, {size} × {size} pixels …")
    start = time.monotonic()
    run(["wsclean", *WSCLEAN, "-size", str(size), str(size), "-name", str(folder / "sky"), str(ms)])
    seconds = time.monotonic() - start
    image = next(p for p in (folder / "sky-MFS-image.fits", folder / "sky-image.fits") if p.exists())
    found = measure(image, wanted)
    header = fits.getheader(image)
    casa_passed = not verdict["messages"] and not verdict["errors"]
    passed = all(m.passed for m in found) and casa_passed and bool(found)
    if as_json:
        table = [{"name": m.source.name, "offset_beams": m.offset_beams, "flux_ratio": m.flux_ratio} for m in found]
        print(json.dumps({"passed": passed, "sources": table, "casa": verdict}, indent=1))
        return 0 if passed else 1
    print(f"WSClean: {seconds:.0f} s, beam {header['BMAJ'] * 3600:.1f}″ × {header['BMIN'] * 3600:.1f}″")
    print(f"{'source':<10}{'RA':>11}{'Dec':>11}{'Jy':>8}{'off/beam':>10}{'flux ratio':>12}")
    for m in found:
        s = m.source
        mark = "" if m.passed else "  ✗"
        print(f"{s.name:<10}{s.ra_deg:>11.5f}{s.dec_deg:>11.5f}{s.flux_jy:>8.3f}{m.offset_beams:>10.3f}{m.flux_ratio:>12.4f}{mark}")
    print(f"limits: {0.2:>38.1f}{'0.97–1.03':>12}")
    print(f"CASA: listobs and {verdict['answers'].get('questions', 0)} questions to msmetadata: "
          f"{len(verdict['errors'])} errors, {len(verdict['messages'])} warnings")  # fmt: skip
    for line in [*verdict["errors"], *verdict["messages"]]:
        print(f"  ✗ {line}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
