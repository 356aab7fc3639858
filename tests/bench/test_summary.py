"""Means that hide nothing, and BD-rates between families."""

from __future__ import annotations

import pytest

from imfcodec.bench.results import CodecEntry, Point, Results, Score
from imfcodec.bench.summary import BEST_ANCHOR, FamilyBdRate, bd_rates, means

RATES = (2.0, 4.0, 8.0, 16.0, 32.0)


def results(codecs: list[CodecEntry], points: list[Point]) -> Results:
    return Results("", "", None, {}, (), tuple(codecs), tuple(points))


def entry(name: str, role: str, family: str | None = None) -> CodecEntry:
    return CodecEntry(name, name, family or name, role, "1")


def point(
    clip: str, codec: str, rate: float, psnr: float | None, error: str | None = None
) -> Point:
    scores = {} if psnr is None else {"psnr_y_db": Score(psnr)}
    return Point(
        clip, codec, f"{rate}", rate_kbps=rate, scores=scores, error=error, encode_s=2, decode_s=1
    )


def curve(clip: str, codec: str, scale: float = 1.0, count: int = 5) -> list[Point]:
    """4 dB for each doubling of the rate."""
    return [point(clip, codec, r * scale, 30.0 + 4 * n) for n, r in enumerate(RATES[:count])]


def percents(rows: list[FamilyBdRate]) -> dict[tuple[str, str], float | None]:
    return {(row.family, row.anchor): row.percent for row in rows}


def test_means_count_what_failed_and_what_lacks_a_metric() -> None:
    points = [
        point("one", "x", 2.0, 30.0),
        point("two", "x", 2.0, 34.0),
        point("three", "x", 2.0, None),
        Point("four", "x", "2.0", error="it broke"),
        Point("one", "y", "q1", error="it broke"),
    ]
    first, second = means(results([entry("x", "ours"), entry("y", "anchor")], points))
    assert (first.codec, first.setting, first.rate_kbps) == ("x", "2.0", 2.0)
    assert (first.clips, first.failed) == (3, 1)
    assert first.scores == {"psnr_y_db": 32.0}
    assert first.counted == {"psnr_y_db": 2}
    assert (first.encode_s, first.decode_s) == (2.0, 1.0)
    assert (second.clips, second.failed, second.rate_kbps, second.scores) == (0, 1, 0.0, {})


def test_half_the_rate_is_minus_fifty_percent() -> None:
    codecs = [entry("us", "ours"), entry("a", "anchor"), entry("still", "floor")]
    points = [
        p
        for clip in ("one", "two")
        for p in (*curve(clip, "a"), *curve(clip, "us", 0.5), *curve(clip, "still", 0.1))
    ]
    (row,) = bd_rates(results(codecs, points), "psnr_y_db")
    assert (row.family, row.anchor, row.clips) == ("us", "a", 2)
    assert row.percent == pytest.approx(-50)
    assert row.interval == pytest.approx((30, 46))
    assert row.points == (5, 5)


@pytest.mark.parametrize("count", [5, 6, 7, 8])
def test_a_curve_may_have_many_points(count: int) -> None:
    """Also one on which more rate does not help."""
    codecs = [entry("us", "ours"), entry("a", "anchor")]
    ours = [point("one", "us", 2.0**n, 30.0 + 4 * n) for n in range(count)]
    useless = point("one", "us", 3.0, 31.0)
    points = [*curve("one", "a", 2.0), *ours, useless]
    (row,) = bd_rates(results(codecs, points), "psnr_y_db")
    assert row.percent == pytest.approx(-75)
    assert row.points == (5, count)


def test_a_family_is_the_best_of_its_members_clip_by_clip() -> None:
    codecs = [
        entry("us", "ours"),
        entry("a-big", "anchor", "a"),
        entry("a-small", "anchor", "a"),
        entry("b", "anchor"),
    ]
    points = [
        *curve("one", "us"),
        *curve("one", "a-big", 2.0),
        *curve("one", "a-small", 4.0),
        *curve("one", "b", 1.25),
        *curve("two", "us"),
        *curve("two", "a-big", 4.0),
        *curve("two", "a-small", 2.0),
        *curve("two", "b", 5.0),
    ]
    found = percents(bd_rates(results(codecs, points), "psnr_y_db"))
    assert found[("us", "a")] == pytest.approx(-50)
    assert found[("us", "b")] == pytest.approx((-20 - 80) / 2)
    # Per clip, and then the mean: b is the best anchor of one clip, a of the other.
    assert found[("us", BEST_ANCHOR)] == pytest.approx((-20 - 50) / 2)
    assert len(found) == 3


def test_clips_that_cannot_be_compared_are_named() -> None:
    codecs = [entry("us", "ours"), entry("a", "anchor")]
    far = [point("far", "us", r, 80.0 + r) for r in RATES]
    failed = Point("broken", "a", "2.0", error="it broke")
    points = [
        *(*curve("good", "a"), *curve("good", "us", 2.0)),
        *(*curve("far", "a"), *far),
        *(*curve("few", "a", count=3), *curve("few", "us")),
        *(failed, *curve("broken", "us")),
    ]
    (row,) = bd_rates(results(codecs, points), "psnr_y_db")
    assert row.percent == pytest.approx(100)
    assert row.clips == 1
    assert row.no_overlap == ("far",)
    assert row.too_few_points == ("few", "broken")
    assert row.partly_failed == ()
    (none,) = bd_rates(results(codecs, curve("few", "a", count=3)), "psnr_y_db")
    assert (none.percent, none.interval, none.points, none.clips) == (None, None, None, 0)


def test_what_was_compared_without_some_of_its_points_is_named() -> None:
    codecs = [entry("us", "ours"), entry("a-big", "anchor", "a"), entry("a-small", "anchor", "a")]
    points = [
        *(*curve("one", "us"), *curve("one", "a-big"), *curve("one", "a-small", 3.0)),
        *(*curve("two", "us"), *curve("two", "a-small", 3.0)),
        Point("two", "a-big", "2.0", error="it broke"),
    ]
    (row,) = bd_rates(results(codecs, points), "psnr_y_db")
    assert row.clips == 2
    assert row.partly_failed == ("two",)


def test_without_ours_every_anchor_is_compared_with_every_other() -> None:
    codecs = [entry("a", "anchor"), entry("b", "anchor")]
    points = [*curve("one", "a"), *curve("one", "b", 2.0)]
    found = percents(bd_rates(results(codecs, points), "psnr_y_db"))
    assert found == {("a", "b"): pytest.approx(-50), ("b", "a"): pytest.approx(100)}


def test_an_unknown_metric() -> None:
    with pytest.raises(KeyError):
        bd_rates(results([], []), "beauty")
