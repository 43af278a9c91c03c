"""`cargo xtask compare --tiles`: tiles made by WSClean from a converted group, judged by `contimg tiles`.

Three overlapping tiles of one set, with phase centres of their own, on both sides of 0 h of right ascension, and with primary beams
of an Airy disc of 4.65 m (Debian's WSClean has no EveryBeam). All must pass, in any order and as a folder; noise, extremes,
centre and beam must be astropy's and numpy's; and each of some faults, put into one tile, must be found in that tile by
the rule that it breaks, in any order of the tiles.
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord, angular_separation
from astropy.io import fits
from astropy.wcs import WCS
from scipy.special import j1

from env import Env, Failed, run
from rows import field_centres

# Two degrees of 3″ pixels, which sample the beam of some 10″, and so near each other that every tile holds all sources: what is
# outside of a tile cannot be cleaned and would be its noise.
SIZE, CELL_ARCSEC, STEP_DEG = 2400, 3.0, 0.12
# So that the middle of the field, at mid time, is at 0 h of right ascension (ICRS).
START = "2026-01-24T23:34:40"
DISH_M, LIGHT_M_S = 4.65, 299_792_458.0
# 1/Φ⁻¹(3/4).
SIGMA_OF_MAD = 1.482602218505602


def airy(image: Path) -> Path:
    """The primary beam of a tile: (2 J₁(x)/x)², x = π D sin θ / λ."""
    with fits.open(image) as f:
        header = f[0].header.copy()
        shape = f[0].data.shape
    wcs = WCS(header).celestial
    yy, xx = np.mgrid[: shape[-2], : shape[-1]]
    ra, dec = (np.deg2rad(v) for v in wcs.all_pix2world(xx, yy, 0))
    theta = angular_separation(np.deg2rad(header["CRVAL1"]), np.deg2rad(header["CRVAL2"]), ra, dec)
    x = np.maximum(np.pi * DISH_M * np.sin(theta) * header["CRVAL3"] / LIGHT_M_S, 1e-9)
    beam = image.with_name(image.name.replace("-image.fits", "-beam-0.fits"))
    fits.writeto(beam, ((2 * j1(x) / x) ** 2).reshape(shape).astype(">f4"), header, overwrite=True)
    return beam


def judge(env: Env, tiles: list[Path], *options: str) -> tuple[int, dict]:
    """The exit code and report of `contimg tiles`."""
    command = [str(env.contimg), "tiles", *map(str, tiles), "--json", "--no-cache", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise Failed(command, done.returncode, done.stderr)
    return done.returncode, json.loads(done.stdout)


def orders(env: Env, tiles: list[Path], report: dict) -> list[str]:
    """The orders of the tiles in which other things are found than in `report`, or a tile gets another verdict."""
    verdicts = lambda r: {t["tile"]: t["verdict"] for t in r["tiles"]}  # noqa: E731
    wrong = []
    for order in itertools.permutations(tiles):
        other = judge(env, list(order))[1]
        if other["findings"] != report["findings"] or verdicts(other) != verdicts(report):
            wrong.append(" ".join(tile.name for tile in order))
    return wrong


def differences(report: dict) -> list[str]:
    """Where the program's figures are not astropy's and numpy's."""
    wrong = []
    for entry in report["tiles"]:
        facts = entry["facts"]["tile"]["Ok"]
        path = Path(entry["tile"])
        with fits.open(path) as f:
            header, pixels = f[0].header, f[0].data.ravel()
        pixels = pixels[np.isfinite(pixels)].astype("=f4")
        mad = np.median(np.abs(pixels - np.median(pixels)))
        wcs = WCS(header).celestial
        ra, dec = wcs.all_pix2world((header["NAXIS1"] - 1) / 2, (header["NAXIS2"] - 1) / 2, 0)
        centre = facts["grid"]["centre_deg"]
        apart = np.rad2deg(angular_separation(*np.deg2rad([ra, dec, *centre]))) * 3.6e6
        checks = {
            "noise": (facts["noise_jy"], float(mad) * SIGMA_OF_MAD, 1e-7),
            "max": (facts["max_jy"], float(pixels.max()), 1e-7),
            "min": (facts["min_jy"], float(pixels.min()), 1e-7),
            "major axis": (facts["beam"]["major_arcsec"], header["BMAJ"] * 3600, 1e-12),
            "frequency": (facts["freq_hz"], header["CRVAL3"], 1e-12),
        }
        wrong += [f"{path.name}: {k}: {a!r} instead of {b!r}" for k, (a, b, t) in checks.items() if abs(a - b) > t * abs(b)]
        if apart > 1.0:
            wrong.append(f"{path.name}: the centre is {apart:.3f} mas away")
    return wrong


def edit(path: Path, change: Callable[[fits.PrimaryHDU], None]) -> None:
    with fits.open(path) as f:
        hdu = fits.PrimaryHDU(f[0].data.copy(), f[0].header.copy())
    change(hdu)
    hdu.writeto(path, overwrite=True)


def nan(hdu: fits.PrimaryHDU) -> None:
    hdu.data[:] = np.nan


def rotate(hdu: fits.PrimaryHDU) -> None:
    """The same grid as a CD matrix."""
    for axis in (1, 2):
        hdu.header[f"CD{axis}_{axis}"] = hdu.header.pop(f"CDELT{axis}")


FAULTS: list[tuple[str, str | None, Callable[[Path], None]]] = [
    ("a NaN tile", "finite", lambda p: edit(p, nan)),
    ("no BMAJ", "beam", lambda p: edit(p, lambda h: h.header.pop("BMAJ"))),
    ("twenty times the noise", "noise-outlier", lambda p: edit(p, lambda h: h.data.__imul__(20.0))),
    ("another pixel size", "pixel-scale", lambda p: edit(p, lambda h: h.header.set("CDELT1", -0.0017))),
    ("no primary beam", "primary-beam", lambda p: p.with_name(p.name.replace("-image.fits", "-beam-0.fits")).unlink()),
    ("cut short", "truncated", lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2])),
    ("missing", "exists", lambda p: p.unlink()),
    ("a CD matrix", None, lambda p: edit(p, rotate)),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask compare --tiles", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything in target/compare-scratch/tiles")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    env = Env.from_environ()
    folder = env.scratch / "tiles"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return _compare(env, folder)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _compare(env: Env, folder: Path) -> int:
    say = lambda text: print(text, file=sys.stderr)  # noqa: E731
    say("a sky, converted …")
    files = env.make_group(folder / "in", "--size", "full", "--channels", "8", "--content", "sky", "--antennas", "24",
                           "--start", START)
    ms, _ = env.convert(files, folder / "out", "--centres", "mid")
    ra, dec = np.rad2deg(field_centres(ms)[0])
    tiles = []
    for i in (-1, 0, 1):
        say(f"WSClean, tile {i + 2} of 3 …")
        name = folder / f"tile{i + 2}"
        place = SkyCoord(ra + i * STEP_DEG / np.cos(np.deg2rad(dec)), dec, unit="deg")
        shift = (place.ra.to_string("hour", precision=6), place.dec.to_string("deg", precision=6))
        run(["wsclean", "-j", "2", "-abs-mem", "4", "-scale", f"{CELL_ARCSEC}asec", "-size", str(SIZE), str(SIZE),
             "-use-wgridder", "-weight", "briggs", "0", "-niter", "20000", "-nmiter", "6", "-mgain", "0.8",
             "-auto-threshold", "4", "-pol", "I", "-no-update-model-required",
             "-shift", *shift, "-name", str(name), str(ms)])  # fmt: skip
        tiles.append(next(p for p in (Path(f"{name}-MFS-image.fits"), Path(f"{name}-image.fits")) if p.exists()))
        airy(tiles[-1])
    code, report = judge(env, tiles, "--report", str(folder / "tiles.html"))
    passed = code == 0
    print(f"clean tiles of WSClean: exit code {code}, {report['counts']}{'' if passed else '  ✗'}")
    for finding in report["findings"]:
        print(f"  {finding['severity']}: {Path(finding['tile']).name}: {finding['rule']}: {finding['message']}")
    wrong = differences(report)
    print(f"noise, extremes, beam, frequency and centres against numpy and astropy: {len(wrong)} differ")
    for line in wrong:
        print(f"  ✗ {line}")
    passed = passed and not wrong
    sides = [t["facts"]["tile"]["Ok"]["grid"]["centre_deg"][0] for t in report["tiles"]]
    across = max(sides) > 300 and min(sides) < 60
    print(f"right ascensions {', '.join(f'{ra:.3f}°' for ra in sides)}{'' if across else '  ✗ not on both sides of 0 h'}")
    passed = passed and across
    other = orders(env, tiles, report)
    # WSClean leaves -dirty, -model, -psf and -residual beside each.
    code, whole = judge(env, [folder])
    fine = code == 0 and sorted(t["tile"] for t in whole["tiles"]) == sorted(map(str, tiles)) and len(whole["passed_over"]) >= 12
    print(f"the folder: exit code {code}, {len(whole['tiles'])} tiles, {len(whole['passed_over'])} files passed over{'' if fine else '  ✗'}")
    passed = passed and fine
    for what, rule, spoil in FAULTS:
        place = folder / "faulty"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        copies = [Path(shutil.copy(t, place)) for t in tiles]
        for tile in tiles:
            shutil.copy(tile.with_name(tile.name.replace("-image.fits", "-beam-0.fits")), place)
        spoil(copies[2])
        code, report = judge(env, copies)
        found = sorted({(Path(f["tile"]).name, f["rule"]) for f in report["findings"] if f["severity"] == "error"})
        fine = found == ([(copies[2].name, rule)] if rule else [])
        passed = passed and fine
        other += orders(env, copies, report)
        print(f"{what}: exit code {code}, {', '.join(r for _, r in found) or 'passes'}{'' if fine else f'  ✗ {found}'}")
    print(f"the six orders of these tiles and of {len(FAULTS)} sets with a fault: {len(other)} differ")
    for line in other:
        print(f"  ✗ {line}")
    return 0 if passed and not other else 1


if __name__ == "__main__":
    sys.exit(main())
