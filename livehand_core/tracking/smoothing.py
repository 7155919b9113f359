"""Steady motion: the One-Euro filter while it goes on, and smoothing of a whole clip afterwards.

Both take ``smoothing`` from 0, as it was measured, to 1, very calm.
"""

from __future__ import annotations

import numpy as np

from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle

_CUTOFF = (8.0, 0.4)
"""Hertz at rest, for no smoothing and for most."""
_SPEED_GAIN, _REST = 15.0, 0.25
"""Hertz that a change of one unit a second adds to the cut-off, so that fast motion is not delayed; and the change up
to which a hand is at rest, as noise alone makes one."""
_SPEED_CUTOFF = 2.0
"""Hertz of the speed: much lower, and the filter notices too late that a hand begins to move."""


class OneEuro:
    """A low-pass filter whose cut-off rises with speed (Casiez, Roussel and Vogel 2012), of a vector.

    One speed, the root mean square of all, serves all entries: a hand's parts move together, and the noise of one does
    not pass for motion.

    Args:
        smoothing: 0 to 1; may be set at any time.
        unit: what counts as a change of one, in the values' own unit.
    """

    def __init__(self, smoothing: float, unit: float = 1.0) -> None:
        self.smoothing = smoothing
        self._unit = unit
        self._value: np.ndarray | None = None
        self._speed = np.zeros(0)
        self._time = 0.0

    def forget(self) -> None:
        """Begin anew with the next value."""
        self._value = None

    def __call__(self, value: np.ndarray, time: float) -> np.ndarray:
        """The filtered value at a time in seconds, later than the last one."""
        if self._value is None:
            self._value, self._speed = value.copy(), np.zeros_like(value)
        elif self.smoothing > 0.0:
            gap = max(time - self._time, 1e-3)
            rate = (value - self._value) / (gap * self._unit)
            self._speed = self._speed + _share(_SPEED_CUTOFF, gap) * (rate - self._speed)
            speed = max(float(np.sqrt(np.mean(self._speed**2))) - _REST, 0.0)
            cutoff = least_cutoff(self.smoothing) + _SPEED_GAIN * speed
            self._value = self._value + _share(cutoff, gap) * (value - self._value)
        else:
            self._value = value.copy()
        self._time = time
        return self._value.copy()


class OneEuroRotation:
    """The same of a rotation, along the shortest way."""

    def __init__(self, smoothing: float) -> None:
        self._filter = OneEuro(smoothing)
        self._base: np.ndarray | None = None

    @property
    def smoothing(self) -> float:
        """0 to 1."""
        return self._filter.smoothing

    @smoothing.setter
    def smoothing(self, value: float) -> None:
        self._filter.smoothing = value

    def forget(self) -> None:
        """Begin anew with the next value."""
        self._base = None
        self._filter.forget()

    def __call__(self, rotation: np.ndarray, time: float) -> np.ndarray:
        """The filtered (3, 3) rotation."""
        if self._base is None:
            self._base = rotation
        away = matrix_to_axis_angle(rotation @ self._base.T)
        if np.linalg.norm(away) > 2.0:
            # Half a turn from the base the vector would flip: begin anew from here.
            self.forget()
            return self(rotation, time)
        return axis_angle_to_matrix(self._filter(away, time)) @ self._base


def least_cutoff(smoothing: float) -> float:
    """Hertz that pass at rest."""
    return float(_CUTOFF[0] * (_CUTOFF[1] / _CUTOFF[0]) ** smoothing)


def smoothed(values: np.ndarray, weights: np.ndarray, smoothing: float, fps: float) -> np.ndarray:
    """A whole clip made calm, without delay; frames of no weight are filled in between the others.

    The minimum of sum w (x - value)^2 + s |second differences of x|^2 (Whittaker 1923), s such that half of a wave of
    the One-Euro filter's cut-off at rest, times two, passes.

    Args:
        values: (n, k).
        weights: (n,) not negative, of each frame; not all 0.
        smoothing: 0 to 1; 0 only fills in.
        fps: frames a second.
    """
    count = len(values)
    if count < 3:
        return values.copy()
    strength = 1e-6
    if smoothing > 0.0:
        wave = 2.0 * np.pi * min(2.0 * least_cutoff(smoothing) / fps, 0.5)
        strength = (2.0 - 2.0 * np.cos(wave)) ** -2
    return _solved(weights, strength, weights[:, None] * values)


def _solved(weights: np.ndarray, strength: float, right: np.ndarray) -> np.ndarray:
    """Solve (diag(w) + s D'D) x = right with D the second differences: a symmetric matrix of five diagonals."""
    count = len(weights)
    main, first, second = np.zeros(count), np.zeros(count), np.zeros(count)
    for row, factor in ((0, 1.0), (1, 4.0), (2, 1.0)):
        main[row : count - 2 + row] += factor
    first[: count - 2] += -2.0
    first[1 : count - 1] += -2.0
    second[: count - 2] += 1.0
    main, first, second = strength * main + weights + 1e-12, strength * first, strength * second
    d, e, f = np.zeros(count), np.zeros(count), np.zeros(count)
    x = right.astype(np.float64)
    # L D L' with two diagonals below the main one.
    for i in range(count):
        d[i] = main[i]
        if i >= 1:
            d[i] -= d[i - 1] * e[i - 1] ** 2
        if i >= 2:
            d[i] -= d[i - 2] * f[i - 2] ** 2
        e[i] = (first[i] - (d[i - 1] * e[i - 1] * f[i - 1] if i >= 1 else 0.0)) / d[i]
        f[i] = second[i] / d[i]
    for i in range(count):
        x[i] -= (e[i - 1] * x[i - 1] if i >= 1 else 0.0) + (f[i - 2] * x[i - 2] if i >= 2 else 0.0)
    x /= d[:, None]
    for i in reversed(range(count)):
        x[i] -= (e[i] * x[i + 1] if i + 1 < count else 0.0) + (f[i] * x[i + 2] if i + 2 < count else 0.0)
    return x


def smoothed_rotations(rotations: np.ndarray, weights: np.ndarray, smoothing: float, fps: float) -> np.ndarray:
    """The same of (n, 3, 3) rotations: their entries are smoothed and the nearest rotation is taken, without a seam."""
    flat = smoothed(rotations.reshape(len(rotations), 9), weights, smoothing, fps).reshape(-1, 3, 3)
    u, _, v = np.linalg.svd(flat)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
    return np.asarray(u @ v)


def _share(cutoff: float, gap: float) -> float:
    """How far a first-order low-pass goes towards a new value after ``gap`` seconds."""
    turns = 2.0 * np.pi * cutoff * gap
    return turns / (1.0 + turns)
