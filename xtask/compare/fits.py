"""FITS files: `fits-header-cache` against astropy, wcslib and numpy, and beside the crate fitsio.

Every card of every file beside the workspace; the directions of corners and centre of every image there, of made tiles and
of a header for every projection, pole, matrix and order of axes; statistics of images of every kind of number, plain and in
compressed tiles. With times: 1,000 headers and 30 cards of each, and a tile of 6300 × 6300 pixels.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from env import Env, run

# Bars 3 to 5 of issue 5.
LIMIT_MAS = 1.0
FASTER_THAN_ASTROPY = 60.0
FASTER_THAN_FITSIO = 4.0
HIT_US = 5.0
FASTER_THAN_NUMPY = 5.0
PART_OF_PREAD = 0.5
MEMORY_MIB = 64.0
MOMENTS = 1e-6

KEYWORDS = (
    "BITPIX NAXIS NAXIS1 NAXIS2 NAXIS3 NAXIS4 BUNIT BMAJ BMIN BPA EQUINOX TELESCOP OBJECT CTYPE1 CRPIX1 CRVAL1 CDELT1 CUNIT1 "
    "CTYPE2 CRPIX2 CRVAL2 CDELT2 CUNIT2 CTYPE3 CRVAL3 CDELT3 CTYPE4 CRVAL4 SPECSYS DATE-OBS"
).split()


class Verdict:
    """Counts what was compared and what was wrong."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def check(self, name: str, passed: bool, text: str) -> None:
        print(f"{'  ' if passed else '✗ '}{name:<44} {text}")
        if not passed:
            self.failed.append(name)


def ours(program: Path, task: str, *arguments: str) -> list[dict]:
    return [json.loads(line) for line in run([str(program), task, *arguments]).splitlines()]


# --- cards ---------------------------------------------------------------------------------------------------------------


def same(value: object, card: dict | None) -> bool:
    """Whether one of our typed values is what astropy makes of the card."""
    if card is None:
        return isinstance(value, fits.card.Undefined) or value == ""
    (kind, found), = card.items()
    if kind == "logical":
        return value is found
    if kind == "complex":
        return value == complex(*found)
    if kind == "text":
        return isinstance(value, str) and value.rstrip() == found.rstrip()
    return not isinstance(value, (str, bool)) and math.isclose(float(value), float(found), rel_tol=1e-15)


def compare_cards(verdict: Verdict, program: Path, files: list[Path]) -> None:
    compared, wrong, refused = 0, [], []
    for entry in ours(program, "cards", *map(str, files)):
        path = Path(entry["file"])
        if "error" in entry:
            refused.append(entry["error"])
            continue
        with fits.open(path, disable_image_compression=True, ignore_missing_simple=True) as hdus:
            if len(hdus) != len(entry["hdus"]):
                wrong.append(f"{path.name}: {len(entry['hdus'])} HDUs, astropy {len(hdus)}")
                continue
            for hdu, cards in zip(hdus, entry["hdus"]):
                # astropy drops empty cards at the end, and reads long texts as one card, as we do.
                # astropy rewrites the axes of random groups in memory; the file says something else.
                header = fits.Header.fromfile(str(path)) if isinstance(hdu, fits.GroupsHDU) else hdu.header
                theirs = [c for c in header.cards if c.keyword not in ("", "COMMENT", "HISTORY", "CONTINUE", "END")]
                valued = [c for c in cards if c[1] and c[0] not in ("", "COMMENT", "HISTORY", "CONTINUE")]
                keywords = [c.keyword.upper().removeprefix("HIERARCH ") for c in theirs]
                if [c[0].upper() for c in valued] != keywords:
                    # astropy shows its own wording of what cards without a value are.
                    keywords = [k for k in keywords if k in {c[0].upper() for c in valued}]
                for card in theirs:
                    name = card.keyword.upper().removeprefix("HIERARCH ")
                    match = [c for c in valued if c[0].upper() == name]
                    if not match:
                        if card.value not in ("", None) and not isinstance(card.value, fits.card.Undefined):
                            wrong.append(f"{path.name}: {card.keyword} is not there")
                        continue
                    compared += 1
                    if not any(same(card.value, c[2]) for c in match):
                        wrong.append(f"{path.name}: {card.keyword}: {match[0][2]}, astropy {card.value!r}")
    for line in wrong[:10] + refused[:10]:
        print("    ", line)
    verdict.check("cards as astropy reads them", not wrong, f"{compared} cards of {len(files)} files, {len(wrong)} differ, "
                  f"{len(refused)} files refused")


# --- directions ----------------------------------------------------------------------------------------------------------


def header_zoo() -> Iterator[tuple[str, fits.Header]]:
    """One header for every projection, pole, matrix and order of axes."""

    def base(code: str, changes: dict | None = None, lon=150.0, lat=54.6, turned=False) -> fits.Header:
        h = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": 200, "NAXIS2": 160})
        names = [("RA---", lon, -0.02), ("DEC--", lat, 0.02)]
        for axis, (name, value, step) in enumerate(reversed(names) if turned else names, 1):
            h[f"CTYPE{axis}"], h[f"CRVAL{axis}"], h[f"CDELT{axis}"] = name + code, value, step
        h["CRPIX1"], h["CRPIX2"] = 101.0, 80.5
        for key, value in (changes or {}).items():
            if value is None:
                del h[key]
            else:
                h[key] = value
        return h

    for code in "SIN TAN ARC STG ZEA CAR CEA MER SFL AIT MOL PAR TSC CSC QSC PCO HPX".split():
        yield code, base(code)
        yield f"{code} at the pole", base(code, lon=10.0, lat=90.0)
        yield f"{code} at the south pole", base(code, lon=10.0, lat=-90.0)
        yield f"{code} over 0 h", base(code, lon=0.02, lat=-10.0)
        yield f"{code} turned axes", base(code, turned=True)
        yield f"{code} at the equator", base(code, lon=200.0, lat=0.0)
        yield f"{code} LONPOLE", base(code, {"LONPOLE": 150.0, "LATPOLE": 30.0})
    cd = {"CD1_1": -0.018, "CD1_2": 0.003, "CD2_1": 0.004, "CD2_2": 0.0195}
    special = {
        "NCP": ("NCP", {}), "GLS": ("GLS", {}), "SIN slanted": ("SIN", {"PV2_1": 0.1, "PV2_2": -0.2}),
        "AZP": ("AZP", {"PV2_1": 2.0, "PV2_2": 30.0}), "SZP": ("SZP", {"PV2_1": 2.0, "PV2_2": 180.0, "PV2_3": 60.0}),
        "AIR": ("AIR", {"PV2_1": 45.0}), "CYP": ("CYP", {"PV2_1": 1.0, "PV2_2": 0.707}), "BON": ("BON", {"PV2_1": 45.0}),
        "COP": ("COP", {"PV2_1": 45.0, "PV2_2": 25.0}), "COE": ("COE", {"PV2_1": 45.0, "PV2_2": 25.0}),
        "COD": ("COD", {"PV2_1": 45.0, "PV2_2": 25.0}), "COO": ("COO", {"PV2_1": 45.0, "PV2_2": 25.0}),
        "CD": ("SIN", {"CDELT1": None, "CDELT2": None, **cd}), "CD beside CDELT": ("TAN", {"CDELT1": 1.0, **cd}),
        "PC": ("SIN", {"PC1_1": 0.9, "PC1_2": 0.1, "PC2_1": -0.2, "PC2_2": 1.05}), "PC in part": ("SIN", {"PC1_2": 0.1}),
        "PC001001": ("SIN", {"PC001001": 0.9, "PC001002": 0.1, "PC002001": -0.2, "PC002002": 1.05}),
        "CROTA2": ("SIN", {"CROTA2": 33.0}), "CROTA1": ("SIN", {"CROTA1": 33.0}),
        "CROTA2, oblong pixels": ("SIN", {"CROTA2": 33.0, "CDELT2": 0.03}),
        "fiducial point": ("TAN", {"PV1_1": 20.0, "PV1_2": 70.0}),
        "fiducial point, offset": ("TAN", {"PV1_0": 1.0, "PV1_1": 20.0, "PV1_2": 70.0}),
        "PV1_3": ("SIN", {"PV1_3": 150.0, "PV1_4": 20.0}), "LONPOLE 0": ("SIN", {"LONPOLE": 0.0}),
        "galactic": ("TAN", {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}),
        "arcsec": ("SIN", {"CUNIT1": "arcsec", "CRVAL1": 540000.0, "CDELT1": -60.0}),
        "radians": ("SIN", {"CUNIT1": "rad", "CUNIT2": "rad", "CRVAL1": 1.5, "CRVAL2": 0.9, "CDELT1": -3e-4, "CDELT2": 3e-4}),
        "SIP": ("TAN-SIP", {"A_ORDER": 2, "A_2_0": 1e-5, "B_ORDER": 2, "B_0_2": 2e-5}),
    }  # fmt: skip
    for name, (code, changes) in special.items():
        yield name, base(code, changes)
    four = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 4})
    axes = [(1, "STOKES", 1.0, 1.0, 1.0), (160, "DEC--SIN", 54.0, 0.02, 80.5), (3, "FREQ", 1.4e9, 1e6, 1.0),
            (200, "RA---SIN", 150.0, -0.02, 101.0)]  # fmt: skip
    for axis, (length, name, value, step, pixel) in enumerate(axes, 1):
        four[f"NAXIS{axis}"], four[f"CTYPE{axis}"], four[f"CRVAL{axis}"] = length, name, value
        four[f"CDELT{axis}"], four[f"CRPIX{axis}"] = step, pixel
    yield "four axes in disorder", four


def astropy_directions(header: fits.Header, places: list[dict], axes: list[int]) -> list[list[float]] | None:
    """Longitude and latitude of our places; `None` where astropy finds nothing celestial or refuses."""
    try:
        wcs = WCS(header)
        if wcs.wcs.lng < 0 or wcs.wcs.lat < 0 or not header[f"CTYPE{wcs.wcs.lng + 1}"][5:].strip("- "):
            return None
        pixels = np.zeros((len(places), wcs.naxis))
        for row, place in zip(pixels, places):
            row[axes] = place["pixel"]
        world = wcs.all_pix2world(pixels, 0) if wcs.sip is not None else wcs.wcs_pix2world(pixels, 0)
    except Exception:  # noqa: BLE001 - astropy refuses with many kinds of errors
        return None
    return world[:, [wcs.wcs.lng, wcs.wcs.lat]].tolist()


def compare_directions(verdict: Verdict, program: Path, files: list[Path], what: str) -> None:
    worst, places, images, wrong = 0.0, 0, 0, []
    for entry in ours(program, "sky", *map(str, files)):
        path = Path(entry["file"])
        if "error" in entry:
            continue
        with fits.open(path, ignore_missing_simple=True) as hdus:
            headers = [hdu.header for hdu in hdus]
        for image in entry["images"]:
            header, hdu = headers[image["hdu"]], image["hdu"]
            if "error" in image:
                if astropy_directions(header, [{"pixel": [0, 0]}], [0, 1]) is not None:
                    wrong.append(f"{path.name}[{hdu}]: {image['error']}")
                continue
            theirs = astropy_directions(header, image["places"], image["axes"])
            if theirs is None:
                wrong.append(f"{path.name}[{hdu}]: astropy finds no coordinates")
                continue
            images += 1
            for place, (lon, lat) in zip(image["places"], theirs):
                sky = place["sky"]
                if sky is None or not math.isfinite(lon):
                    # Where a projection ends, both must say so. PCO is singular on its axis: wcslib has no answer there.
                    if (sky is None) == math.isfinite(lon) and "PCO" not in path.name:
                        wrong.append(f"{path.name}[{hdu}] {place['pixel']}: {sky}, astropy {lon}, {lat}")
                    continue
                east = ((sky[0] - lon + 180) % 360 - 180) * math.cos(math.radians(lat))
                off = math.hypot(east, sky[1] - lat) * 3.6e6
                worst, places = max(worst, off), places + 1
                if off > LIMIT_MAS:
                    wrong.append(f"{path.name}[{hdu}] {place['pixel']}: {off:.3g} mas off")
    for line in wrong[:10]:
        print("    ", line)
    verdict.check(f"directions of {what}", not wrong and images > 0,
                  f"{places} places of {images} images, worst {worst:.2g} mas (limit {LIMIT_MAS:g})")


# --- pixels --------------------------------------------------------------------------------------------------------------


def plain_statistics(values: np.ndarray) -> dict:
    finite = values[np.isfinite(values)]
    median = np.median(finite)
    return {
        "finite": int(finite.size), "mean": float(np.mean(finite, dtype=np.float64)),
        "std": float(np.std(finite, dtype=np.float64)), "min": float(finite.min()), "max": float(finite.max()),
        "median": float(median), "mad": float(np.median(np.abs(finite - median))),
    }  # fmt: skip


def differences(report: dict, plain: dict) -> list[str]:
    moments, robust = report["statistics"]["moments"], report["statistics"]["robust"]
    found = {"finite": moments["finite"], **moments["extent"], **robust}
    scale = max(abs(plain["mean"]), plain["std"])
    exact = [f"{k}: {found[k]!r}, numpy {plain[k]!r}" for k in ("finite", "min", "max", "median", "mad") if found[k] != plain[k]]
    sums = [f"{k}: {found[k]!r}, numpy {plain[k]!r}" for k in ("mean", "std") if abs(found[k] - plain[k]) > MOMENTS * scale]
    return exact + sums


def compare_kinds(verdict: Verdict, program: Path, scratch: Path) -> None:
    """Images of every kind of number, plain and in compressed tiles, even and odd counts of pixels."""
    random = np.random.default_rng(7)
    noise = random.normal(3.0, 2.0, (301, 400)).astype(np.float32)
    noise[5, 7], noise[100:110, 3:300], noise[2, 2] = np.nan, np.nan, 4000.0
    cases = {
        "f32": fits.PrimaryHDU(noise), "f32-even": fits.PrimaryHDU(np.nan_to_num(noise[:300])),
        "f64": fits.PrimaryHDU(noise.astype(np.float64) * 1e-9), "i16": fits.PrimaryHDU((noise * 100).astype(np.int16)),
        "i32": fits.PrimaryHDU(np.nan_to_num(noise * 1e5).astype(np.int32)), "u8": fits.PrimaryHDU(np.nan_to_num(noise).clip(0, 255).astype(np.uint8)),
        "i64": fits.PrimaryHDU(np.nan_to_num(noise * 1e5).astype(np.int64)), "u16": fits.PrimaryHDU(np.nan_to_num(noise * 90).clip(0, 65535).astype(np.uint16)),
    }  # fmt: skip
    for kind in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"):
        cases[f"f32-{kind}"] = fits.CompImageHDU(np.nan_to_num(noise), compression_type=kind, quantize_level=16)
        cases[f"i32-{kind}"] = fits.CompImageHDU(np.nan_to_num(noise * 100).astype(np.int32), compression_type=kind)
    cases["f32-RICE_1-nan"] = fits.CompImageHDU(noise, compression_type="RICE_1", quantize_level=16)
    cases["f32-GZIP_2-lossless"] = fits.CompImageHDU(noise, compression_type="GZIP_2", quantize_level=0)
    cases["i16-PLIO_1"] = fits.CompImageHDU(np.nan_to_num(noise * 9).clip(0, 4000).astype(np.int16), compression_type="PLIO_1")
    cases["f32-RICE_1-tiles"] = fits.CompImageHDU(np.nan_to_num(noise), compression_type="RICE_1", tile_shape=(50, 70))
    wrong = []
    for name, hdu in cases.items():
        path = scratch / f"{name}.fits"
        hdus = fits.HDUList([fits.PrimaryHDU(), hdu]) if isinstance(hdu, fits.CompImageHDU) else fits.HDUList([hdu])
        hdus.writeto(path, overwrite=True)
        with fits.open(path, memmap=False) as opened:
            values = next(h.data for h in opened if h.data is not None)
        if values.dtype.kind in "iu":
            values = values.astype(np.float64)
        (report,) = ours(program, "pixels", "1", str(path))
        wrong += [f"{name}: {line}" for line in differences(report, plain_statistics(values))]
    for line in wrong[:10]:
        print("    ", line)
    verdict.check("statistics of every kind of number", not wrong, f"{len(cases)} images, plain and compressed, exactly numpy's")


def best(runs: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def time_pixels(verdict: Verdict, program: Path, tile: Path, runs: int) -> dict:
    def numpy_way() -> dict:
        return plain_statistics(fits.getdata(tile, memmap=False))

    values = fits.getdata(tile, memmap=False).astype(np.float32)
    plain = plain_statistics(values)
    (report,) = ours(program, "pixels", str(runs), str(tile))
    loaded, whole = best(runs, lambda: plain_statistics(values)), best(runs, numpy_way)
    # Once more, so that neither had the quieter moment alone.
    (again,) = ours(program, "pixels", str(runs), str(tile))
    report = {**report, **{k: min(report[k], again[k]) for k in ("all_ms", "moments_ms", "pread_ms")}}
    wrong = differences(report, plain)
    verdict.check("statistics of the tile", not wrong, "; ".join(wrong) or "median and MAD exactly numpy's, moments to 1e-6")
    ratio = loaded * 1e3 / report["all_ms"]
    verdict.check("statistics beside numpy in memory", ratio >= FASTER_THAN_NUMPY,
                  f"{report['all_ms']:.0f} ms, numpy {loaded * 1e3:.0f} ms (with reading {whole * 1e3:.0f} ms): "
                  f"{ratio:.1f} times faster (bar {FASTER_THAN_NUMPY:g})")
    part = report["pread_ms"] / report["moments_ms"]
    verdict.check("moments beside reading the bytes", part >= PART_OF_PREAD,
                  f"{report['moments_ms']:.0f} ms, pread alone {report['pread_ms']:.0f} ms: {part:.0%} of its speed "
                  f"(bar {PART_OF_PREAD:.0%})")
    peak = report["peak_kib"] / 1024
    verdict.check("peak memory", peak <= MEMORY_MIB, f"{peak:.1f} MiB for the whole process (bar {MEMORY_MIB:g})")
    return report


def time_headers(verdict: Verdict, program: Path, files: list[Path], runs: int) -> dict:
    def astropy_way() -> None:
        for path in files:
            header = fits.getheader(path)
            for keyword in KEYWORDS:
                header[keyword]

    arguments = ["headers", str(runs), ",".join(KEYWORDS), *map(str, files)]
    (report,) = ours(program, *arguments)
    astropy_us = best(2, astropy_way) * 1e6 / len(files)
    (again,) = ours(program, *arguments)
    report = {k: min(v, again[k]) for k, v in report.items()}
    cold, threads = report["cold_us"], report["cold_all_threads_us"]
    # CFITSIO, as it is built by default, may not be used by more than one thread; ours is meant to be.
    beside, door = astropy_us / cold, report["fitsio_us"] / threads
    verdict.check("headers, cold, beside astropy", beside >= FASTER_THAN_ASTROPY,
                  f"{cold:.1f} µs a file and {len(KEYWORDS)} cards on one thread, astropy "
                  f"{astropy_us:.0f} µs: {beside:.0f} times faster (bar {FASTER_THAN_ASTROPY:g})")
    verdict.check("headers, cold, beside fitsio (Rust)", door >= FASTER_THAN_FITSIO,
                  f"fitsio {report['fitsio_us']:.1f} µs, ours on all threads {threads:.1f} µs: {door:.1f} times faster (bar "
                  f"{FASTER_THAN_FITSIO:g}), on one thread {report['fitsio_us'] / cold:.1f} times")
    verdict.check("a validated hit", report["hit_us"] <= HIT_US,
                  f"{report['hit_us']:.2f} µs, with 30 cards {report['hit_and_cards_us']:.2f} µs (bar {HIT_US:g})")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="cargo xtask compare --fits", description=__doc__.splitlines()[0])
    parser.add_argument("--speed", action="store_true", help="times alone")
    parser.add_argument("--content", action="store_true", help="answers alone")
    parser.add_argument("--tiles", type=int, default=1000, help="how many headers to time")
    parser.add_argument("--size", type=int, default=6300, help="pixels along each side of the tile to time")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="the times as JSON at the end")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    env = Env.from_environ()
    program = Path(os.environ["CONTIMG_COMPARE_FITS"])
    scratch = env.scratch / f"fits-{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    verdict, report = Verdict(), {}
    try:
        if not options.speed:
            if env.real_data:
                real = sorted(p for p in env.real_data.rglob("*.fits*") if p.suffix in (".fits", ".gz", ".fz"))
                compare_cards(verdict, program, real)
                compare_directions(verdict, program, real, "the files beside the workspace")
            zoo = scratch / "zoo"
            zoo.mkdir()
            for name, header in header_zoo():
                text = header.tostring(sep="", endcard=True, padding=True)
                (zoo / f"{name}.fits").write_bytes(text.encode())
            compare_directions(verdict, program, sorted(zoo.glob("*.fits")), "every form of header")
            made = scratch / "made"
            for ra in (180.0, 358.9):
                faults = [f"--fault={kind}={tile}" for tile, kind in enumerate(("crota", "pc", "cd", "nan-border"))]
                run([str(env.fixtures), "tiles", "--out", str(made / str(ra)), "--count", "5", "--ra", str(ra), *faults])
            compare_directions(verdict, program, sorted(made.rglob("*.fits")), "made tiles, on both sides of 0 h")
            compare_kinds(verdict, program, scratch)
        if not options.content:
            run([str(env.fixtures), "tiles", "--out", str(scratch / "many"), "--count", str(options.tiles), "--size", "16"])
            headers = sorted((scratch / "many").glob("*-image.fits"))
            report["headers"] = time_headers(verdict, program, headers, options.runs)
            large = ["--count", "1", "--cell", "2", "--size", str(options.size), "--fault", "nan-border=0"]
            run([str(env.fixtures), "tiles", "--out", str(scratch / "large"), *large])
            (tile,) = (scratch / "large").glob("*-image.fits")
            report["pixels"] = time_pixels(verdict, program, tile, options.runs)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if options.json:
        print(json.dumps(report))
    print("all within the bars" if not verdict.failed else f"not within the bars: {', '.join(verdict.failed)}")
    return 0 if not verdict.failed else 1


if __name__ == "__main__":
    sys.exit(main())
