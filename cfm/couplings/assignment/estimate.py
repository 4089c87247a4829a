"""Estimates of dual potentials by annealed, over-relaxed Sinkhorn steps in float32; only the speed depends on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from cfm.couplings.assignment.arrays import Floats, scratch

_RELAXATION = np.float32(-1.6)  # minus the over-relaxation exponent; stable in (-2, 0)

# exp by writing the exponent's bits (Schraudolph 1999): 2^23 steps per octave, exponent bias 127, mean error removed.
_OCTAVE, _BIAS, _LOWEST = 2.0**23 / np.log(2), 2.0**23 * (127 - 0.0436), -60.0


@njit(cache=True, nogil=True)
def _gibbs_kernel(cost: Floats, v: Floats, temperature: float, bits: npt.NDArray[np.int32]) -> None:
    """Bits (n, m) of the float32 kernel exp((u_i + v_j - C_ij) / temperature), to 3%, with u the c-transform of v.

    No entry is below e^-60: denormal numbers would slow all that follows.
    """
    n, m = bits.shape
    row = np.empty(m)
    scale, lowest = _OCTAVE / temperature, _BIAS + _LOWEST * _OCTAVE
    for i in range(n):
        for j in range(m):
            row[j] = cost[i, j] - v[j]
        u = row.min()
        for j in range(m):
            bits[i, j] = np.int32(max(_BIAS - (row[j] - u) * scale, lowest))


@njit(cache=True, nogil=True, fastmath=True)
def _scale_columns(kernel: npt.NDArray[np.float32], steps: int) -> npt.NDArray[np.float32]:
    """Scaling g (m,) of the columns after `steps` steps f <- f (f K g)^-w, g <- g (g K^T f)^-w; the first has w = 1.

    Both products share one pass over the kernel, which is what takes the time.
    """
    n, m = kernel.shape
    f, g, h = np.zeros(n, np.float32), np.ones(m, np.float32), np.empty(m, np.float32)
    for step in range(steps):
        h[:] = 0
        for i in range(n):
            total = np.float32(0)
            for j in range(m):
                total += kernel[i, j] * g[j]
            f[i] = f[i] * (f[i] * total) ** _RELAXATION if step else 1 / total
            for j in range(m):
                h[j] += f[i] * kernel[i, j]
        for j in range(m):
            g[j] = g[j] * (g[j] * h[j]) ** _RELAXATION if step else 1 / h[j]
    return g


def annealed(cost: Floats, v: Floats, temperatures: Sequence[float], steps: int) -> Floats:
    """Target potentials v (m,), moved towards the optimum at one temperature after the other."""
    kernel = scratch(*cost.shape, np.float32)
    for temperature in temperatures:
        _gibbs_kernel(cost, v, temperature, kernel.view(np.int32))
        g = _scale_columns(kernel, steps)
        v = v + temperature * np.log(g)
    return v
