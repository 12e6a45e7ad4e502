"""What is drawn: clusters in one order, of strata that can be told apart."""

import numpy as np
import pytest

from openbook_eval.leaderboard.statistics.clusters import arrange
from openbook_eval.leaderboard.statistics.values import Design


def strata_of(exams: list[int], strata: list[int], clusters: list[int]) -> list[int]:
    arranged = arrange(Design(np.array(exams), np.array(strata), np.array(clusters)))
    return [int(stratum) for stratum in arranged.stratum[arranged.of_item]]


def test_clusters_stand_by_exam_stratum_and_code() -> None:
    arranged = arrange(Design(np.array([7, 2, 2, 2, 2, 7]), np.array([0, 1, 0, 0, 1, 0]), np.array([1, 4, 9, 3, 5, 0])))
    assert arranged.of_item.tolist() == [5, 2, 1, 0, 3, 4]
    assert arranged.exam.tolist() == [0, 0, 0, 0, 1, 1]
    assert arranged.stratum.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_code_in_two_exams_is_two_clusters() -> None:
    assert arrange(Design(np.array([0, 1]), np.array([0, 0]), np.array([5, 5]))).of_item.tolist() == [0, 1]


def test_strata_that_share_a_cluster_are_one() -> None:
    assert strata_of([0] * 6, [0, 1, 1, 0, 2, 2], [0, 0, 1, 2, 3, 4]) == [0, 0, 0, 0, 1, 1]


def test_strata_of_one_cluster_are_put_together() -> None:
    assert strata_of([0] * 6, [0, 0, 1, 2, 3, 3], [0, 1, 2, 3, 4, 5]) == [0, 0, 1, 1, 2, 2]


def test_the_only_stratum_of_one_cluster_goes_to_the_smallest_other() -> None:
    assert strata_of([0] * 6, [0, 0, 0, 1, 1, 2], [0, 1, 2, 3, 4, 5]) == [0, 0, 0, 1, 1, 1]


def test_strata_of_two_exams_are_never_put_together() -> None:
    assert strata_of([0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0, 1, 2, 3, 4]) == [0, 0, 1, 1, 1]
    assert strata_of([0, 1], [0, 0], [0, 0]) == [0, 1]


def test_freedom_is_clusters_less_strata_and_infinite_of_single_items() -> None:
    exams = np.array([0] * 8 + [1] * 3 + [2] * 2)
    strata = np.array([0] * 4 + [1] * 4 + [0] * 5)
    clusters = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 7])
    arranged = arrange(Design(exams, strata, clusters))
    everything = np.ones((1, 13), dtype=np.bool_)
    assert arranged.freedom(everything)[:, 0].tolist() == [2, np.inf, 0]
    without_a_cluster = everything.copy()
    without_a_cluster[0, :2] = False
    assert arranged.freedom(without_a_cluster)[:, 0].tolist() == [1, np.inf, 0]
    assert arranged.freedom(np.zeros_like(everything))[:, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("lengths", [(2, 2, 3), (0, 0, 0)])
def test_a_design_is_of_arrays_of_one_length(lengths: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="arrays of one length"):
        Design(*(np.zeros(length, dtype=np.int_) for length in lengths))
