"""Results as people read them: curves, tables, and a page that shows the pictures.

results ─┬─ curves ─ figures ─ drawings ───────────┐
         ├─ showcase ─ shots ─ media (video, PNG) ─┼─ page ─► index.html
         └─ points_csv                             ┘

drawings.py and shots.py keep what they make, so that the same report is made in seconds.

showcase.py chooses what is shown by rules that are fixed before anybody has looked at it.
"""

from imfcodec.bench.report.write import write_report

__all__ = ["write_report"]
