"""Key frames planned together."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from imfcodec.sender.planning.key_plan import (
    FURTHEST,
    INHERITED,
    LOST,
    MISPLACED,
    NEARBY,
    NEAREST,
    OUTERMOST,
    plan_keys,
)


def poses(text: str) -> np.ndarray:
    """Errors of frames that show poses: .01 within one, .04 between two, .5 from a title T."""
    same, title = np.array([[a == b for b in text] for a in text]), np.array(list(text)) == "T"
    errors = np.where(same, 0.01, 0.04)
    errors[title[:, None] != title] = 0.5
    np.fill_diagonal(errors, 0)
    return errors


def test_each_pose_gets_its_key_frame() -> None:
    keys = plan_keys(poses("aaaabbbbcccc"), range(12), 0, 3, 4)
    assert [k // 4 for k in keys] == [0, 1, 2]


def test_a_title_is_worth_no_key_frame() -> None:
    """Where faces need them: what nothing explains is lost."""
    keys = plan_keys(poses("aaaaTbbbb"), range(9), 0, 2, 4.5)
    assert [k // 5 for k in keys] == [0, 1]
    assert 4 not in keys


def test_the_first_key_frame_serves_the_others() -> None:
    """Of two frames as good for those beside them, the one that is the better base."""
    errors = np.full((5, 5), 0.05)
    errors[1, 4] = 0.04
    np.fill_diagonal(errors, 0)
    assert plan_keys(errors, range(5), 0, 2, 3) == [1, 4]


def test_without_prediction_there_is_no_base() -> None:
    """Two frames serve best and are strangers to each other."""
    errors = poses("aaaabbbb")
    errors[5, 4:] = errors[1, :4] = 0.0
    errors[1, 5] = 0.079
    assert plan_keys(errors, range(8), 0, 2, 4, inherited=0.0) == [1, 5]
    assert plan_keys(errors, range(8), 0, 2, 4, inherited=1.0) != [1, 5]


def test_distances_are_kept() -> None:
    """Though one pose would like to have all key frames."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        errors = rng.uniform(0.0, 0.01, (24, 24))
        errors[:12] += 0.03
        np.fill_diagonal(errors, 0)
        keys = plan_keys(errors, range(24), 0, 4, 6)
        assert keys[0] <= 6 * OUTERMOST
        assert 23 - keys[-1] <= 6 * OUTERMOST
        assert all(b - a <= 6 * FURTHEST for a, b in pairwise(keys))


def test_what_has_no_such_plan_gets_the_best_other() -> None:
    """A pause longer than any distance; more key frames than there are frames."""
    assert plan_keys(poses("aabb"), [0, 1, 100, 101], 0, 2, 4) in ([0, 2], [0, 3], [1, 2], [1, 3])
    assert plan_keys(poses("ab"), range(2), 0, 9, 1) == [0, 1]
    assert plan_keys(poses("a"), range(1), 0, 1, 1) == [0]


def test_a_further_key_frame_must_save_its_price() -> None:
    """Four frames of the middle pose have errors of .04 without a key frame and .01 with one."""
    errors, saved = poses("aaaabbbbcccccccc"), 4 * 0.04 - 3 * 0.01
    for count, price, got in ((2, saved - 0.01, 3), (2, saved + 0.01, 2), (3, np.inf, 3)):
        assert len(plan_keys(errors, range(16), 0, count, 8, inherited=0.0, price=price)) == got


@pytest.mark.parametrize("known", [0, 1, 2])
@pytest.mark.parametrize("price", [0.02, np.inf])
@pytest.mark.parametrize("seed", range(6))
def test_no_plan_is_better(known: int, price: float, seed: int) -> None:
    errors = np.random.default_rng(seed).uniform(0, 1.5 * LOST, (8, 8))
    np.fill_diagonal(errors, 0)
    capped, interval = np.minimum(errors, LOST), 3

    def cost(keys: tuple[int, ...]) -> float:
        at = ([known - 1] if known else []) + list(keys)
        from_base = capped[0 if known else keys[0]]
        inherited = np.where(from_base < LOST, INHERITED * from_base, 0)
        error = sum(inherited[k] for k in keys)
        if not known:
            error += capped[at[0], : at[0]].sum()
        for a, b in pairwise(at):
            between = slice(max(a + 1, known), b)
            one, other = capped[a, between] + inherited[a], capped[b, between] + inherited[b]
            error += min(one[:n].sum() + other[n:].sum() for n in range(len(one) + 1))
        behind = capped[at[-1], max(at[-1] + 1, known) :] + inherited[at[-1]]
        misplaced = sum(b - a > interval * FURTHEST for a, b in pairwise(at))
        misplaced += 7 - at[-1] > interval * OUTERMOST
        further = max(len(keys) - 3, 0)
        near = sum(b - a < interval * NEAREST for a, b in pairwise(at))
        paid = price * (further + NEARBY * near) if further or near else 0.0
        return error + behind.sum() + MISPLACED * misplaced + paid

    plans = [p for n in range(9) for p in combinations(range(known, 8), n)]
    plans = [p for p in plans if known or (p and p[0] <= interval * OUTERMOST)]
    got = plan_keys(errors, range(8), known, 3, interval, price=price)
    assert tuple(got) == min(plans, key=cost)
