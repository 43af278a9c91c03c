"""Proof that the comparison can fail: a copy of a set with one small thing wrong must be told from it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from casacore.tables import table

from rows import read
from verdict import MAS, compare


def _row(ms: Path) -> int:
    """A cross-correlation near the middle of the set, whose values are not zero."""
    with table(str(ms), ack=False) as t:
        cross = np.flatnonzero(t.getcol("ANTENNA1") != t.getcol("ANTENNA2"))
        return int(cross[len(cross) // 2])


def _cell(column: str, change: Callable[[np.ndarray], np.ndarray], subtable: str = "") -> Callable[[Path], None]:
    """A disturbance of one cell: of the middle cross-correlation in MAIN, of row 0 in a subtable."""

    def apply(ms: Path) -> None:
        row = 0 if subtable else _row(ms)
        with table(f"{ms}::{subtable}" if subtable else str(ms), ack=False, readonly=False) as t:
            t.putcell(column, row, change(np.array(t.getcell(column, row))))

    return apply


def _one(index: tuple[int, ...] | int, change: Callable) -> Callable[[np.ndarray], np.ndarray]:
    def apply(cell: np.ndarray) -> np.ndarray:
        cell[index] = change(cell[index])
        return cell

    return apply


# What is disturbed, how, and a check that must notice it.
DISTURBANCES: list[tuple[str, Callable[[Path], None], str]] = [
    ("correlations exchanged in one row", _cell("DATA", lambda c: c[:, ::-1]), "complex, w undone"),
    ("channels of one row moved by one", _cell("DATA", lambda c: np.roll(c, 1, axis=0)), "complex, w undone"),
    ("one amplitude 1e-5 too large", _cell("DATA", _one((3, 1), lambda v: v * (1 + 1e-5))), "amplitude, relative"),
    ("one phase 0.02 rad off", _cell("DATA", _one((3, 1), lambda v: v * np.exp(0.02j))), "phase"),
    ("u of one row 0.5 mm off", _cell("UVW", _one(0, lambda v: v + 5e-4)), "UVW"),
    ("one flag set", _cell("FLAG", _one((5, 0), lambda v: not v)), "flags that differ"),
    ("one weight changed", _cell("WEIGHT_SPECTRUM", _one((5, 0), lambda v: v + 1)), "weights that differ"),
    ("one frequency 1 Hz off", _cell("CHAN_FREQ", _one(7, lambda v: v + 1), "SPECTRAL_WINDOW"), "CHAN_FREQ"),
    ("TIME of one row 1 ms off", _cell("TIME", lambda v: v + 1e-3), "TIME"),
    ("one antenna 2 mm off", _cell("POSITION", _one(0, lambda v: v + 2e-3), "ANTENNA"), "antenna positions"),
    ("field 20 mas off", _cell("PHASE_DIR", _one((0, 1), lambda v: v + 20 * MAS), "FIELD"), "phase centre"),
    ("one antenna of a row wrong", _cell("ANTENNA2", lambda v: v + 1), "rows without partner"),
]


def prove(ms: Path, scratch: Path) -> list[str]:
    """Disturbs copies of `ms` one by one. Gives what the comparison failed to notice."""
    reference = read(ms)
    missed = [f"the set differs from itself: {c}" for c in compare(read(ms), reference) if not c.passed]
    for what, apply, check in DISTURBANCES:
        copy = scratch / "disturbed.ms"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ms, copy)
        apply(copy)
        if check == "TIME":
            with table(str(copy), ack=False, readonly=False) as t:
                t.putcol("TIME_CENTROID", t.getcol("TIME"))
        failed = [c.name for c in compare(read(copy), reference) if not c.passed]
        print(f"  {what:<36} noticed by: {', '.join(failed) or 'nothing'}")
        if check not in failed:
            missed.append(f"{what}: `{check}` passed")
        shutil.rmtree(copy)
    return missed
