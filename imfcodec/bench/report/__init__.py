"""The report: curves, tables, and a page with pictures.

results ─┬─ curves ─ figures ─ drawings ───────────┐
         ├─ showcase ─ shots ─ media (video, PNG) ─┼─ page ─► index.html
         └─ points_csv                             ┘

drawings.py and shots.py cache their files, so that the same report takes seconds.

showcase.py chooses the pictures by fixed rules.
"""

from imfcodec.bench.report.write import write_report

__all__ = ["write_report"]
