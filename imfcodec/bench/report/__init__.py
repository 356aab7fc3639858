"""The report: curves, tables, and a page with pictures.

results ─┬─ curves ─ figures (names, theme) ────────┐
         ├─ showcase ─ gallery ─ media (video, PNG) ┼─ page ─► index.html
         ├─ tables ─────────────────────────────────┘
         └─ write: all files

figures.py and gallery.py cache what they make, so that the same report takes seconds.

showcase.py chooses the pictures by fixed rules.
"""

from imfcodec.bench.report.write import write_report

__all__ = ["write_report"]
