"""A Measurement Set's rows, read by python-casacore and put in one order, so that two sets can be compared.

Programs differ in what a set may leave open: the order of rows, which antenna of a baseline comes first, how the band is
divided into windows, the order of correlations and the numbering of antennas. `read` removes these freedoms:

- antennas are known by name, and the first of a baseline is the one whose name sorts first (the row is conjugated, its UVW
  negated and XY exchanged with YX where the set has it the other way round);
- rows are sorted by time, then by baseline;
- the windows stand side by side in ascending frequency, their channels too;
- correlations are sorted by their casacore code.
"""

from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import FK4, FK5, SkyCoord
from casacore.tables import table
from numpy.typing import NDArray

# casacore codes of products whose receptors change place with the antennas: RL, LR and XY, YX.
_EXCHANGED = {6: 7, 7: 6, 10: 11, 11: 10}


class Unreadable(Exception):
    """A set that cannot be compared: what it breaks is in the message."""


@dataclass
class Window:
    """One spectral window, ascending in frequency: all arrays are [channel]."""

    freq_hz: NDArray[np.float64]
    width_hz: NDArray[np.float64]


@dataclass
class Rows:
    """Visibilities [row, channel, correlation] over the whole band, and what belongs to each row."""

    time_s: NDArray[np.float64]  # [row], MJD seconds, UTC
    interval_s: NDArray[np.float64]  # [row]
    pair: list[tuple[str, str]]  # [row], names of the antennas
    uvw_m: NDArray[np.float64]  # [row, 3]
    vis: NDArray[np.complex64]
    flag: NDArray[np.bool_]
    weight: NDArray[np.float32]  # WEIGHT_SPECTRUM, or WEIGHT broadcast over the channels
    row_weight: NDArray[np.float32]  # WEIGHT, [row, window, correlation]
    row_sigma: NDArray[np.float32]  # SIGMA, [row, window, correlation]
    centre: NDArray[np.float64]  # [row, 2], right ascension and declination of the phase centre, ICRS, radians
    windows: list[Window]
    correlations: list[int]  # casacore codes, ascending
    position_m: dict[str, NDArray[np.float64]]  # ITRF, by antenna name
    has_weight_spectrum: bool
    file_order: NDArray[np.intp]  # [row], where the row of the first window stands in the set
    turned: NDArray[np.bool_]  # [row], whether it was conjugated to put its antennas in order

    @property
    def freq_hz(self) -> NDArray[np.float64]:
        return np.concatenate([w.freq_hz for w in self.windows])

    @property
    def width_hz(self) -> NDArray[np.float64]:
        return np.concatenate([w.width_hz for w in self.windows])


def _cells(t: table, column: str, rows: NDArray[np.intp]) -> NDArray:
    """A column's cells for some rows; they have one shape within a window, though perhaps not within the column."""
    if len(rows) == t.nrows() and np.array_equal(rows, np.arange(t.nrows())):
        return t.getcol(column)
    return np.stack([t.getcell(column, int(r)) for r in rows])


def _has_cells(t: table, column: str) -> bool:
    return column in t.colnames() and t.nrows() > 0 and t.iscelldefined(column, 0)


def _to_icrs(lon: float, lat: float, frame: str) -> tuple[float, float]:
    """A direction of the FIELD table as ICRS right ascension and declination, radians."""
    match frame.upper():
        case "ICRS":
            return lon, lat
        case "J2000" | "FK5":
            sky = SkyCoord(lon * u.rad, lat * u.rad, frame=FK5(equinox="J2000")).icrs
        case "B1950" | "FK4":
            sky = SkyCoord(lon * u.rad, lat * u.rad, frame=FK4(equinox="B1950")).icrs
        case other:
            raise Unreadable(f"FIELD.PHASE_DIR is given in {other}, which the comparison does not know")
    return float(sky.ra.rad), float(sky.dec.rad)


def field_centres(ms: Path) -> NDArray[np.float64]:
    """PHASE_DIR of every field, [field, 2], ICRS."""
    with table(f"{ms}::FIELD", ack=False) as t:
        info = t.getcolkeyword("PHASE_DIR", "MEASINFO")
        frames = [info["Ref"]] * t.nrows()
        if "VarRefCol" in info:
            codes = t.getcol(info["VarRefCol"])
            names = {int(c): n for c, n in zip(info["TabRefCodes"], info["TabRefTypes"], strict=True)}
            frames = [names[int(c)] for c in codes]
        cells = [np.asarray(t.getcell("PHASE_DIR", i)).reshape(-1, 2)[0] for i in range(t.nrows())]
    return np.array([_to_icrs(c[0], c[1], f) for c, f in zip(cells, frames, strict=True)]).reshape(-1, 2)


def read(ms: Path) -> Rows:
    """Reads a whole set into memory. Raises `Unreadable` when its windows hold different rows or an antenna has no name."""
    with table(f"{ms}::ANTENNA", ack=False) as t:
        names: list[str] = t.getcol("NAME")
        positions = t.getcol("POSITION")
    with table(f"{ms}::SPECTRAL_WINDOW", ack=False) as t:
        all_windows = [Window(t.getcell("CHAN_FREQ", i), t.getcell("CHAN_WIDTH", i)) for i in range(t.nrows())]
    with table(f"{ms}::POLARIZATION", ack=False) as t:
        all_correlations = [[int(c) for c in t.getcell("CORR_TYPE", i)] for i in range(t.nrows())]
    with table(f"{ms}::DATA_DESCRIPTION", ack=False) as t:
        description = list(zip(t.getcol("SPECTRAL_WINDOW_ID"), t.getcol("POLARIZATION_ID"), strict=True))
    centres = field_centres(ms)

    with table(str(ms), ack=False) as t:
        ddid = t.getcol("DATA_DESC_ID")
        spectrum = _has_cells(t, "WEIGHT_SPECTRUM")
        time, interval, uvw = t.getcol("TIME"), t.getcol("INTERVAL"), t.getcol("UVW")
        ant1, ant2, field = t.getcol("ANTENNA1"), t.getcol("ANTENNA2"), t.getcol("FIELD_ID")
        if np.any(t.getcol("TIME_CENTROID") != time) or np.any(t.getcol("EXPOSURE") != interval):
            raise Unreadable("TIME_CENTROID or EXPOSURE differ from TIME and INTERVAL")
        used = {names[a] for a in np.unique(np.concatenate([ant1, ant2]))}
        if "" in used or len(used) != len(np.unique(np.concatenate([ant1, ant2]))):
            raise Unreadable("antennas with data share a name or have none")
        turned = np.array([names[a] > names[b] for a, b in zip(ant1, ant2, strict=True)], dtype=bool)
        pairs = [(names[b], names[a]) if s else (names[a], names[b]) for a, b, s in zip(ant1, ant2, turned, strict=True)]

        ids = sorted(np.unique(ddid), key=lambda d: all_windows[description[d][0]].freq_hz.min())
        first: tuple[NDArray[np.intp], list] | None = None
        parts: dict[str, list[NDArray]] = {"vis": [], "flag": [], "weight": [], "row_weight": [], "row_sigma": []}
        windows: list[Window] = []
        for d in ids:
            spw, pol = description[d]
            rows = np.flatnonzero(ddid == d)
            rows = np.array(sorted(rows, key=lambda r: (time[r], pairs[r])), dtype=np.intp)
            key = [(time[r], pairs[r], *uvw[r], field[r]) for r in rows]
            if first is None:
                first = (rows, key)
            elif first[1] != key:
                raise Unreadable(f"spectral window {spw} holds other times, baselines, UVW or fields than the first")
            window, codes = all_windows[spw], all_correlations[pol]
            by_freq, by_code = np.argsort(window.freq_hz, kind="stable"), np.argsort(codes, kind="stable")
            windows.append(Window(window.freq_hz[by_freq], window.width_hz[by_freq]))
            exchanged = [codes.index(_EXCHANGED.get(c, c)) for c in codes]

            def arranged(cells: NDArray) -> NDArray:
                """Exchanges the cross products of turned rows, then sorts correlations and, where there are, channels."""
                cells = np.where(turned[rows].reshape(-1, *[1] * (cells.ndim - 1)), cells[..., exchanged], cells)
                cells = cells[..., by_code]
                return cells[:, by_freq] if cells.ndim == 3 else cells

            vis = arranged(_cells(t, "DATA", rows))
            parts["vis"].append(np.where(turned[rows][:, None, None], vis.conj(), vis))
            flag = arranged(_cells(t, "FLAG", rows)) | t.getcol("FLAG_ROW")[rows][:, None, None]
            parts["flag"].append(flag)
            row_weight = arranged(_cells(t, "WEIGHT", rows))
            parts["row_weight"].append(row_weight)
            parts["row_sigma"].append(arranged(_cells(t, "SIGMA", rows)))
            parts["weight"].append(
                arranged(_cells(t, "WEIGHT_SPECTRUM", rows))
                if spectrum
                else np.broadcast_to(row_weight[:, None, :], vis.shape)
            )

    if first is None:
        raise Unreadable("the set has no rows")
    rows = first[0]
    return Rows(
        time_s=time[rows],
        interval_s=interval[rows],
        pair=[pairs[r] for r in rows],
        uvw_m=np.where(turned[rows][:, None], -uvw[rows], uvw[rows]),
        vis=np.concatenate(parts["vis"], axis=1),
        flag=np.concatenate(parts["flag"], axis=1),
        weight=np.concatenate(parts["weight"], axis=1),
        row_weight=np.stack(parts["row_weight"], axis=1),
        row_sigma=np.stack(parts["row_sigma"], axis=1),
        centre=centres[field[rows]],
        windows=windows,
        correlations=sorted(all_correlations[description[ids[0]][1]]),
        position_m={n: p for n, p in zip(names, positions, strict=True) if n},
        has_weight_spectrum=spectrum,
        file_order=rows,
        turned=turned[rows],
    )


def match(ours: Rows, reference: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Pairs rows of one baseline and of one time, to half the smallest distance between the reference's times.

    Gives the row numbers in both, and how many rows of either have no partner.
    """
    times = np.unique(reference.time_s)
    tolerance = min(np.diff(times).min() / 2, 0.5) if len(times) > 1 else 0.5

    def nearest(t: float) -> int | None:
        i = int(np.clip(np.searchsorted(times, t), 1, max(len(times) - 1, 1)))
        near = min((k for k in (i - 1, i) if k < len(times)), key=lambda k: abs(times[k] - t))
        return near if abs(times[near] - t) <= tolerance else None

    index: dict[tuple, list[int]] = {}
    for r, (t, p) in enumerate(zip(reference.time_s, reference.pair, strict=True)):
        index.setdefault((nearest(t), p), []).append(r)
    a, b, alone = [], [], 0
    for r, (t, p) in enumerate(zip(ours.time_s, ours.pair, strict=True)):
        partners = index.get((nearest(t), p))
        if partners:
            a.append(r)
            b.append(partners.pop(0))
        else:
            alone += 1
    alone += sum(len(left) for left in index.values())
    return np.array(a, dtype=np.intp), np.array(b, dtype=np.intp), alone
