"""Results as people read them: curves, tables, and a page that shows the pictures.

results ─┬─ curves ─ figures ──────────────┐
         ├─ showcase ─ media (video, PNG) ─┼─ page ─► index.html
         └─ points_csv                     ┘

showcase.py chooses what is shown by rules that are fixed before anybody has looked at it.
"""

from imfcodec.bench.report.write import write_report

__all__ = ["write_report"]
