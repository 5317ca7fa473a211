"""The charge curve: how much energy the car has taken after so many seconds of charging."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ChargeCurve:
    """Energy [kWh, grid side] over seconds of charging, piecewise linear from (0, 0) on; it goes on at its last power.

    A car that tapers has a concave curve. Nothing here asks for that: only that energy never falls.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.points) < 2 or self.points[0] != (0.0, 0.0):  # noqa: PLR2004
            raise ValueError("a charge curve begins at (0 s, 0 kWh) and has a second point")
        for (start_s, start_kwh), (end_s, end_kwh) in zip(self.points, self.points[1:], strict=False):
            if not (end_s > start_s and end_kwh >= start_kwh):
                raise ValueError(f"seconds must rise and energy must not fall, not at {end_s:g} s, {end_kwh:g} kWh")
        if not self.last_kw > 0:
            raise ValueError("the last stretch of a charge curve must bring energy")

    @classmethod
    def at(cls, power_kw: float) -> Self:
        """Return the curve of one power."""
        return cls(points=((0.0, 0.0), (3600.0, power_kw)))

    @property
    def last_kw(self) -> float:
        """The power at which the curve goes on beyond its last point."""
        (start_s, start_kwh), (end_s, end_kwh) = self.points[-2:]
        return (end_kwh - start_kwh) / (end_s - start_s) * 3600

    @property
    def most_kw(self) -> float:
        """The highest power on the curve."""
        pairs = zip(self.points, self.points[1:], strict=False)
        return max((b[1] - a[1]) / (b[0] - a[0]) * 3600 for a, b in pairs)

    @property
    def kinks_s(self) -> tuple[float, ...]:
        """Where the power changes [s of charging]."""
        return tuple(point[0] for point in self.points[1:-1])

    @cached_property
    def _columns(self) -> tuple[Floats, Floats]:
        return np.array([p[0] for p in self.points]), np.array([p[1] for p in self.points])

    def energies(self, seconds: Floats) -> Floats:
        """Return the energy after each of the times [kWh]."""
        at_s, at_kwh = self._columns
        beyond = np.maximum(0.0, seconds - at_s[-1]) * (self.last_kw / 3600)
        taken: Floats = np.interp(seconds, at_s, at_kwh) + beyond
        return taken

    def energy(self, seconds: float) -> float:
        """Return the energy after so many seconds of charging [kWh]."""
        return float(self.energies(np.array([seconds]))[0])

    def seconds(self, energy_kwh: float) -> float:
        """Return how long the energy takes from the curve's beginning on [s]."""
        last_s, last_kwh = self.points[-1]
        if energy_kwh >= last_kwh:
            return last_s + (energy_kwh - last_kwh) / self.last_kw * 3600
        at_s, at_kwh = self._columns
        index = int(np.searchsorted(at_kwh, energy_kwh, side="left"))
        if index == 0:
            return 0.0
        share = (energy_kwh - at_kwh[index - 1]) / (at_kwh[index] - at_kwh[index - 1])
        return float(at_s[index - 1] + share * (at_s[index] - at_s[index - 1]))


def tapering(points: Sequence[Sequence[float]]) -> ChargeCurve:
    """Return the curve through `[seconds, kWh]` points; the beginning (0, 0) may be left out."""
    found = [(float(seconds), float(energy_kwh)) for seconds, energy_kwh in points]
    return ChargeCurve(points=tuple(found if found and found[0] == (0.0, 0.0) else [(0.0, 0.0), *found]))
