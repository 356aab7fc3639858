"""Ours against the best other codec at equal rate, point by point.

    python benchmarks/experiments/at_equal_rate.py RESULTS.json

Prints for each point of ours: clip, setting, kbps, LPIPS (AlexNet) and PSNR-RGB, and the same of
the best of all other codecs at this rate, interpolated over the log of the rate; "-" where none
reaches it. Last, the clips whose rate or LPIPS does not improve with the setting.
"""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from imfcodec.bench.results import Point, Results

METRICS = {"lpips_alex": min, "psnr_rgb_db": max}


def main() -> None:
    """One line a point."""
    results = Results.load(Path(sys.argv[1]))
    role = {codec.name: codec.role for codec in results.codecs}
    points = [point for point in results.points if point.error is None]
    uneven = set[str]()
    for clip in dict.fromkeys(point.clip for point in points):
        here = [point for point in points if point.clip == clip]
        others = {p.codec: [q for q in here if q.codec == p.codec] for p in here}
        others = {name: curve for name, curve in others.items() if role[name] == "anchor"}
        ours = sorted((p for p in here if role[p.codec] == "ours"), key=lambda p: float(p.setting))
        for point in ours:
            columns = [clip, point.setting, f"{point.rate_kbps:.2f}"]
            for name, best in METRICS.items():
                rivals = [_at(curve, name, point.rate_kbps) for curve in others.values()]
                reached = [value for value in rivals if value is not None]
                columns += [f"{point.scores[name].mean:.4f}"]
                columns += [f"{best(reached):.4f}" if reached else "-"]
            print(*columns)  # noqa: T201
        for one, other in pairwise(ours):
            lpips = [point.scores["lpips_alex"].mean for point in (one, other)]
            if other.rate_kbps <= one.rate_kbps or lpips[1] >= lpips[0]:
                uneven.add(f"{clip} {one.setting}-{other.setting}")
    print("not even:", *(sorted(uneven) or ["none"]))  # noqa: T201


def _at(curve: list[Point], metric: str, rate_kbps: float) -> float | None:
    """A metric of a codec at a rate; None outside its curve."""
    curve = sorted(curve, key=lambda point: point.rate_kbps)
    rates = [math.log(point.rate_kbps) for point in curve]
    if not rates[0] <= math.log(rate_kbps) <= rates[-1]:
        return None
    values = [point.scores[metric].mean for point in curve]
    return float(np.interp(math.log(rate_kbps), rates, values))


if __name__ == "__main__":
    main()
