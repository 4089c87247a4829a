"""Successive shortest paths on arcs of small reduced cost, which are listed as they are needed.

The method of Jonker and Volgenant (1987) from given target potentials v: an auction of bounded length, then
for every row (source point) still free a shortest alternating path to a free column (target point).
Row i lists only its arcs with C_ij - v_j <= bound_i. The potentials never rise, so an arc that is not listed stays
above the bound; a path is taken only if it is no longer than any path that leaves the lists could be, and
otherwise the row that stands in the way lists more. So the result is optimal over all n^2 arcs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from cfm.couplings.assignment.arrays import Floats, Ints

_BIDS = 4  # length of the auction, in bids per row
_WIDER = 4  # a row's next list is this many times as wide
_ROOM = 32  # arcs per row that there is room for at first


class Arcs(NamedTuple):
    """Row i has the arcs first_i .. last_i - 1 of `columns` and `costs`: all those with C_ij - v_j <= bound_i."""

    first: Ints
    last: Ints
    bound: Floats
    width: Floats
    columns: Ints
    costs: Floats


class Matching(NamedTuple):
    """The column of each row and the row of each column, -1 where free, and the cost of each row's arc."""

    column: Ints
    row: Ints
    cost: Floats


class Search(NamedTuple):
    """Dijkstra's method from one free row: state of the columns, and the rows scanned with their offsets.

    A column has its distance, the row before it on the path, and is open (in `frontier`) or closed (in `done`).
    Row i at distance D has the offset D - u_i, so that its arcs lead to columns at offset + C_ij - v_j.
    """

    distance: Floats
    via: Ints
    closed: npt.NDArray[np.bool_]
    frontier: Ints
    done: Ints
    scanned: Ints
    offset: Floats


@njit(cache=True, nogil=True)
def _list_arcs(cost: Floats, arcs: Arcs, size: int, i: int, v: Floats) -> tuple[Arcs, int]:
    """List the arcs of row i up to its width above the least. `size` arcs are stored before and are returned after,
    with the arcs, whose storage may have grown."""
    n = len(v)
    columns, costs = arcs.columns, arcs.costs
    if size + n > len(columns):
        columns, costs = np.empty(2 * (size + n), np.int64), np.empty(2 * (size + n))
        columns[:size], costs[:size] = arcs.columns[:size], arcs.costs[:size]
    least = np.inf
    for j in range(n):
        least = min(least, cost[i, j] - v[j])
    bound = least + arcs.width[i]
    arcs.first[i] = size
    for j in range(n):
        columns[size] = j
        costs[size] = cost[i, j]
        size += cost[i, j] - v[j] <= bound
    arcs.last[i] = size
    arcs.bound[i] = bound if size - arcs.first[i] < n else np.inf
    arcs.width[i] *= _WIDER
    return Arcs(arcs.first, arcs.last, arcs.bound, arcs.width, columns, costs), size


@njit(cache=True, nogil=True)
def _match(matching: Matching, i: int, j: int, cost: float) -> None:
    matching.column[i], matching.row[j], matching.cost[i] = j, i, cost


@njit(cache=True, nogil=True)
def _auction(arcs: Arcs, v: Floats, matching: Matching, bids: int) -> Ints:
    """Let rows bid for their best column, whose potential falls to make it no better than the second best.

    Returns the rows that are still free: after so many bids, or in a tie for columns that are taken.
    """
    n = len(v)
    waiting, free = np.arange(n)[::-1].copy(), np.empty(n, np.int64)
    n_waiting, n_free = n, 0
    while n_waiting:
        n_waiting -= 1
        i, bids = waiting[n_waiting], bids - 1
        best, second = np.inf, arcs.bound[i]
        best_arc = second_arc = -1
        for arc in range(arcs.first[i], arcs.last[i]):
            value = arcs.costs[arc] - v[arcs.columns[arc]]
            if value < best:
                best, second, best_arc, second_arc = value, min(best, second), arc, best_arc
            elif value < second:
                second, second_arc = value, arc
        tie = best >= second
        if tie and second_arc >= 0 and matching.row[arcs.columns[best_arc]] >= 0:
            best_arc = second_arc
        j = arcs.columns[best_arc]
        outbid = matching.row[j]
        if bids < 0 or best > arcs.bound[i] or (tie and outbid >= 0):
            free[n_free] = i
            n_free += 1
            continue
        v[j] -= second - best
        _match(matching, i, j, arcs.costs[best_arc])
        if outbid >= 0:
            matching.column[outbid] = -1
            waiting[n_waiting] = outbid
            n_waiting += 1
    return free[:n_free]


@njit(cache=True, nogil=True)
def _relax(arcs: Arcs, v: Floats, search: Search, n_frontier: int, i: int, offset: float) -> int:
    """Follow the arcs of row i; returns the new size of the frontier."""
    for arc in range(arcs.first[i], arcs.last[i]):
        j = arcs.columns[arc]
        length = offset + arcs.costs[arc] - v[j]
        if length < search.distance[j] and not search.closed[j]:
            if search.distance[j] == np.inf:
                search.frontier[n_frontier] = j
                n_frontier += 1
            search.distance[j], search.via[j] = length, i
    return n_frontier


@njit(cache=True, nogil=True)
def _nearest(search: Search, n_frontier: int) -> tuple[float, int]:
    """Distance and place in the frontier of its nearest column."""
    nearest, place = np.inf, -1
    for k in range(n_frontier):
        if search.distance[search.frontier[k]] < nearest:
            nearest, place = search.distance[search.frontier[k]], k
    return nearest, place


@njit(cache=True, nogil=True)
def _shortest_path(
    cost: Floats, arcs: Arcs, size: int, v: Floats, matching: Matching, search: Search, start: int
) -> tuple[Arcs, int, int]:
    """Find the nearest free column from a free row and update v; returns the arcs, their number, and the column."""
    i, offset = start, 0.0
    n_frontier, n_done, n_scanned = 0, 0, 0
    horizon = np.inf  # no path over an arc that is not listed is shorter
    while True:
        search.scanned[n_scanned], search.offset[n_scanned] = i, offset
        n_scanned += 1
        horizon = min(horizon, offset + arcs.bound[i])
        n_frontier = _relax(arcs, v, search, n_frontier, i, offset)
        nearest, place = _nearest(search, n_frontier)
        while nearest > horizon:
            in_the_way = (search.offset[:n_scanned] + arcs.bound[search.scanned[:n_scanned]]).argmin()
            i, offset = search.scanned[in_the_way], search.offset[in_the_way]
            arcs, size = _list_arcs(cost, arcs, size, i, v)
            n_frontier = _relax(arcs, v, search, n_frontier, i, offset)
            nearest, place = _nearest(search, n_frontier)
            horizon = (search.offset[:n_scanned] + arcs.bound[search.scanned[:n_scanned]]).min()
        j = search.frontier[place]
        n_frontier -= 1
        search.frontier[place] = search.frontier[n_frontier]
        search.closed[j] = True
        search.done[n_done] = j
        n_done += 1
        i = matching.row[j]
        if i < 0:
            break
        offset = nearest - (matching.cost[i] - v[j])
    for column in search.done[:n_done]:
        v[column] += search.distance[column] - nearest
        search.closed[column] = False
        search.distance[column] = np.inf
    search.distance[search.frontier[:n_frontier]] = np.inf
    return arcs, size, j


@njit(cache=True, nogil=True)
def optimal_matching(cost: Floats, v: Floats, width: float) -> tuple[Ints, Floats, Floats]:
    """Optimal permutation (n,) and duals u, v (n,), from finite potentials v (n,).

    Arcs with a reduced cost of at most `width` > 0 are listed at first, which changes the time taken only.
    """
    n = len(v)
    v, none = v.copy(), np.zeros(n, np.int64)
    room = np.empty(_ROOM * n, np.int64), np.empty(_ROOM * n)
    arcs, size = Arcs(none, none.copy(), np.empty(n), np.full(n, width), room[0], room[1]), 0
    for i in range(n):
        arcs, size = _list_arcs(cost, arcs, size, i, v)
    matching = Matching(np.full(n, -1), np.full(n, -1), np.zeros(n))
    free = _auction(arcs, v, matching, _BIDS * n)
    search = Search(
        np.full(n, np.inf),
        none.copy(),
        np.zeros(n, np.bool_),
        none.copy(),
        none.copy(),
        none.copy(),
        np.empty(n),
    )
    for start in free:
        arcs, size, j = _shortest_path(cost, arcs, size, v, matching, search, start)
        i = -1
        while i != start:  # match along the path, from its end
            i = search.via[j]
            previous = matching.column[i]
            _match(matching, i, j, cost[i, j])
            j = previous
    return matching.column, matching.cost - v[matching.column], v
