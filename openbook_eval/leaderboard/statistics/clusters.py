"""The clusters of a design in one order, whatever the order of its items, each in one exam and one stratum."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from openbook_eval.leaderboard.statistics.values import Codes, Design, Numbers


@dataclass(frozen=True)
class Clusters:
    """`of_item` is the cluster of each item; of the clusters, `exam` and `stratum`, both counted from 0 without gaps.

    The clusters are sorted by exam, then by stratum, then by code.
    """

    of_item: Codes
    exam: Codes
    stratum: Codes

    @cached_property
    def exams(self) -> tuple[slice, ...]:
        """Where the clusters of each exam stand."""
        ends = np.cumsum(np.bincount(self.exam))
        return tuple(slice(start, end) for start, end in zip((0, *ends), ends, strict=False))

    @cached_property
    def strata(self) -> tuple[slice, ...]:
        """Where the clusters of each stratum stand."""
        ends = np.cumsum(np.bincount(self.stratum))
        return tuple(slice(start, end) for start, end in zip((0, *ends), ends, strict=False))

    @cached_property
    def _membership(self) -> sparse.csr_array:
        items = len(self.of_item)
        return sparse.csr_array((np.ones(items), (self.of_item, np.arange(items))), shape=(len(self.exam), items))

    def sums(self, values: Numbers) -> Numbers:
        """Sums over the items of each cluster, (clusters, runs), of values (runs, n)."""
        sums: Numbers = self._membership @ values.T
        return sums

    def freedom(self, present: NDArray[np.bool_]) -> Numbers:
        """The degrees of freedom of the variance between clusters, (exams, runs), where items are `present`, (runs, n).

        Clusters less strata; 0 where an exam has fewer than two clusters, infinite where they are of one item each: the
        variance of independent marks follows from the marks themselves.
        """
        items = self.sums(present.astype(np.float64))
        clusters = np.add.reduceat((items > 0).astype(np.int_), [part.start for part in self.strata])
        exams = np.searchsorted(self.exam[[part.start for part in self.strata]], np.arange(len(self.exams)))
        free = np.add.reduceat(np.maximum(clusters - 1, 0), exams).astype(np.float64)
        largest = np.maximum.reduceat(items, [part.start for part in self.exams])
        return np.where((largest <= 1) & (np.add.reduceat(clusters, exams) > 1), np.inf, free)


def arrange(design: Design) -> Clusters:
    """The clusters of a design, and their strata as far as they can be kept apart.

    Strata that share a cluster are one. Those of a single cluster tell nothing of chance and are put together with each
    other, the only one of its exam with the smallest of the others: the collapsed strata of W. G. Cochran, Sampling
    Techniques (3rd ed. 1977), section 5A.12, which makes the variance too large rather than too small. What remains
    single is the only cluster of its exam.
    """
    codes, of_item = np.unique(np.stack([design.exams, design.clusters]), axis=1, return_inverse=True)
    exam = np.unique(codes[0], return_inverse=True)[1]
    stratum = _collapsed(_joined(design, of_item), exam)
    order = np.lexsort((codes[1], stratum, exam))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Clusters(place[of_item], exam[order], _counted(stratum[order]))


def _joined(design: Design, of_item: Codes) -> Codes:
    """The stratum of each cluster, where strata that share a cluster are joined; numbered by their first codes."""
    cells = np.unique(np.stack([design.exams, design.strata]), axis=1, return_inverse=True)[1]
    clusters = of_item.max() + 1
    size = clusters + cells.max() + 1
    links = sparse.coo_array((np.ones(len(cells)), (of_item, cells + clusters)), shape=(size, size))
    component = sparse.csgraph.connected_components(links, directed=False)[1]
    first = np.full(component.max() + 1, size)
    np.minimum.at(first, component[of_item], cells)
    joined: Codes = first[component[:clusters]]
    return joined


def _collapsed(stratum: Codes, exam: Codes) -> Codes:
    collapsed = stratum.copy()
    for one in np.unique(exam):
        names, sizes = np.unique(stratum[exam == one], return_counts=True)
        single, others = names[sizes == 1], sizes > 1
        if len(single) == 1 and others.any():
            single = np.append(single, names[others][sizes[others].argmin()])
        if len(single):
            collapsed[np.isin(stratum, single)] = single[0]
    return collapsed


def _counted(ordered: Codes) -> Codes:
    """Numbers from 0 for codes of which equal ones stand together."""
    return np.cumsum(np.diff(ordered, prepend=ordered[0]) != 0)
