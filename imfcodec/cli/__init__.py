"""The command line: `imfcodec COMMAND`.

main.py        the group: finds commands, --version, table of exit codes
encode.py      decode.py  info.py  weights.py  demo.py  train.py  prepare.py  bench.py  compare.py:
               one command each
coding.py      what encode and decode share: one input or many
tasks.py       inputs in this process, in several, or on a cluster
options.py     options that several commands share, and options made from dataclasses
failures.py    an error or a signal becomes a line on stderr and an exit code
progress.py    work done and time left, on a terminal
output.py      results to stdout, warnings and errors to stderr
text.py        reports and numbers as people read them
records.py     reports as JSON objects
bench_tables.py  the tables that `bench` prints
comparison.py  quality of a decoded video against its source, for `demo`

Modules here import nothing heavy at their top, so that help appears at once.
"""
