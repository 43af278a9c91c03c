"""Whether two Measurement Sets hold the same observation: one check for each quantity, with its limit.

The limits are those of the project's bar: amplitudes to 1 part in 10⁶, phases to 0.01 rad, complex values to 10⁻⁶ of the
largest once each program's own `w` is undone, UVW to 0.3 mm, frequencies and times exact, flags and weights equal,
antenna positions to 1 mm, phase centres to 10 mas.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rows import Rows, match

SPEED_OF_LIGHT_M_PER_S = 299_792_458.0
MAS = np.pi / 180 / 3600 / 1000


@dataclass
class Check:
    """One quantity: how far the two sets are apart at worst, and how far they may be."""

    name: str
    worst: float
    limit: float
    unit: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.worst <= self.limit)

    def __str__(self) -> str:
        mark = "  " if self.passed else "✗ "
        note = f"  ({self.note})" if self.note else ""
        return f"{mark}{self.name:<22} {self.worst:10.3g} {self.unit:<5} ≤ {self.limit:g}{note}"


@dataclass
class Intended:
    """Differences that are wanted, which a comparison then leaves out and reports with their reason."""

    # Channels that only we have must be a flagged gap of zeros.
    gap: bool = False
    # The date is beyond all Earth-orientation data, so that everybody's sidereal time is a guess of its own.
    unpredicted: bool = False
    # What a comparison found and why it is right.
    found: list[str] = field(default_factory=list)


def separation_rad(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles between directions [row, 2] (Vincenty's formula, exact also for tiny angles)."""
    d = a[..., 0] - b[..., 0]
    s1, c1, s2, c2 = np.sin(a[..., 1]), np.cos(a[..., 1]), np.sin(b[..., 1]), np.cos(b[..., 1])
    return np.arctan2(np.hypot(c2 * np.sin(d), c1 * s2 - s1 * c2 * np.cos(d)), s1 * s2 + c1 * c2 * np.cos(d))


def _worst(values: NDArray) -> float:
    """The largest value; a NaN counts as infinitely far."""
    return float(np.nan_to_num(values, nan=np.inf).max()) if values.size else 0.0


def _unphased(rows: Rows, take: NDArray[np.intp], channels: NDArray[np.intp]) -> NDArray[np.complex128]:
    """Visibilities with the set's own `w` term put back: a set's rows are V·exp(−2πi w ν/c)."""
    turns = rows.uvw_m[take, 2][:, None] * rows.freq_hz[channels][None, :] / SPEED_OF_LIGHT_M_PER_S
    return rows.vis[take][:, channels].astype(np.complex128) * np.exp(2j * np.pi * (turns % 1.0))[:, :, None]


def _channels(ours: Rows, reference: Rows, intended: Intended) -> tuple[NDArray[np.intp], list[Check]]:
    """Which of our channels the reference's are, by position, and whether all the rest is an intended gap."""
    near = np.abs(ours.freq_hz[:, None] - reference.freq_hz[None, :]).argmin(axis=0)
    rest = np.setdiff1d(np.arange(len(ours.freq_hz)), near)
    checks = [Check("channels", float(len(near) - len(np.unique(near)) + (0 if intended.gap else len(rest))), 0)]
    if intended.gap and len(rest):
        wrong = np.count_nonzero(~ours.flag[:, rest]) + np.count_nonzero(ours.vis[:, rest])
        step = np.diff(np.sort(ours.freq_hz[rest]))
        checks.append(Check("gap flagged and zero", float(wrong), 0))
        checks.append(Check("gap's frequencies", _worst(np.abs(np.diff(ours.freq_hz) - np.median(step))), 1e-6, "Hz"))
        intended.found.append(f"{len(rest)} channels of missing subbands are kept, flagged and zero: pyuvdata has no gap")
    return near, checks


def compare(ours: Rows, reference: Rows, intended: Intended | None = None) -> list[Check]:
    """All checks of one pair of sets."""
    intended = intended or Intended()
    if ours.correlations != reference.correlations:
        names = f"{ours.correlations} against {reference.correlations}"
        return [Check("correlation types", 1, 0, note=names)]
    channels, checks = _channels(ours, reference, intended)
    a, b, alone = match(ours, reference)
    checks.append(Check("rows without partner", float(alone), 0))
    if not all(c.passed for c in checks):
        return checks
    if not np.array_equal(np.argsort(ours.file_order[a]), np.argsort(reference.file_order[b])):
        intended.found.append("rows stand in another order than pyuvdata's")
    if np.any(ours.turned[a] != reference.turned[b]):
        n = np.count_nonzero(ours.turned[a] != reference.turned[b])
        intended.found.append(f"{n} rows have their antennas the other way round than pyuvdata's, and are its conjugates")

    v, r = ours.vis[a][:, channels], reference.vis[b]
    finite = np.isfinite(r)
    if not finite.all():
        repaired = (v == 0) & ours.flag[a][:, channels]
        checks.append(Check("non-finite repaired", float(np.count_nonzero(~finite & ~repaired)), 0))
        n = np.count_nonzero(~finite)
        intended.found.append(f"{n} non-finite visibilities are zero and flagged: pyuvdata keeps them")
    v, r = np.where(finite, v, 0).astype(np.complex128), np.where(finite, r, 0).astype(np.complex128)
    size = np.abs(r)
    peak = size.max() if size.size else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(size > 0, np.abs(np.abs(v) - size) / size, np.abs(v) * np.inf if peak == 0 else np.abs(v) / peak)
    checks.append(Check("amplitude, relative", _worst(np.where(v == r, 0, relative)), 1e-6))
    turn = np.where(size > 1e-7 * peak, np.abs(np.angle(v * r.conj())), 0)
    checks.append(Check("phase", _worst(turn), np.inf if intended.unpredicted else 0.01, "rad"))
    if peak > 0:
        whole = _unphased(ours, a, channels) - _unphased(reference, b, np.arange(len(reference.freq_hz)))
        checks.append(Check("complex, w undone", _worst(np.where(finite, np.abs(whole), 0)) / peak, 1e-6, "peak"))

    # One second of UT1 − UTC is 15″, of which the longest baseline makes 0.2 m.
    limit = 200 if intended.unpredicted else 0.3
    checks.append(Check("UVW", _worst(np.abs(ours.uvw_m[a] - reference.uvw_m[b])) * 1e3, limit, "mm"))
    if intended.unpredicted:
        intended.found.append("beyond all Earth-orientation data UT1 is unknown by up to a second: UVW within 0.2 m, centres within 15″")
    checks.append(Check("CHAN_FREQ", _worst(np.abs(ours.freq_hz[channels] - reference.freq_hz)), 0, "Hz"))
    checks.append(Check("CHAN_WIDTH", _worst(np.abs(ours.width_hz[channels] - reference.width_hz)), 0, "Hz"))
    ulp = np.abs(ours.time_s[a] - reference.time_s[b]) / np.spacing(reference.time_s[b])
    note = "to the last bit" if _worst(ulp) == 0 else "pyuvdata takes MJD from a two-part date: 1 ulp is rounding"
    checks.append(Check("TIME", _worst(ulp), 1, "ulp", note))
    checks.append(Check("INTERVAL", _worst(np.abs(ours.interval_s[a] - reference.interval_s[b])), 0, "s"))

    flag, weight = ours.flag[a][:, channels], ours.weight[a][:, channels]
    usable = np.isfinite(reference.weight[b]) & (reference.weight[b] >= 0)
    if not usable.all():
        checks.append(Check("unusable weights left", float(np.count_nonzero(~usable & ~(flag & (weight == 0)))), 0))
        n = np.count_nonzero(~usable)
        intended.found.append(f"{n} negative or non-finite weights are zero and their visibilities flagged: pyuvdata keeps them")
    flags = (flag != reference.flag[b]) & finite & usable
    checks.append(Check("flags that differ", float(np.count_nonzero(flags)), 0))
    weights = (weight != reference.weight[b]) & usable
    checks.append(Check("weights that differ", float(np.count_nonzero(weights)), 0))
    if not ours.has_weight_spectrum:
        intended.found.append("WEIGHT alone says all weights: no WEIGHT_SPECTRUM, which pyuvdata always writes")
    checks += _row_weights(ours, intended)

    here = reference.position_m.keys() & ours.position_m.keys()
    lost = len(reference.position_m.keys() - here)
    checks.append(Check("antennas missing", float(lost), 0))
    apart = max((float(np.abs(ours.position_m[n] - reference.position_m[n]).max()) for n in here), default=0.0)
    checks.append(Check("antenna positions", apart * 1e3, 1, "mm"))
    checks.append(Check("phase centre", _worst(separation_rad(ours.centre[a], reference.centre[b])) / MAS, 10, "mas"))
    return checks


def _row_weights(ours: Rows, intended: Intended) -> list[Check]:
    """WEIGHT and SIGMA of each row and window against the weights by channel."""
    edges = np.cumsum([0, *[len(w.freq_hz) for w in ours.windows]])
    outside = varying = 0
    for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        by_channel, row = ours.weight[:, low:high], ours.row_weight[:, i]
        outside += np.count_nonzero((row < by_channel.min(axis=1)) | (row > by_channel.max(axis=1)))
        varying += np.count_nonzero(by_channel.min(axis=1) != by_channel.max(axis=1))
    if varying:
        intended.found.append(f"WEIGHT of {varying} row products sums up weights that vary by channel")
    with np.errstate(divide="ignore"):
        sigma = 1 / np.sqrt(ours.row_weight.astype(np.float64))
    wrong = np.where(ours.row_weight > 0, np.abs(ours.row_sigma / sigma - 1), 0)
    return [
        Check("WEIGHT out of range", float(outside), 0),
        Check("SIGMA·√WEIGHT − 1", _worst(wrong), 1e-6),
    ]
