"""The command line: `imfcodec COMMAND`.

main.py        the group: finds commands, --version, table of exit codes
encode.py      decode.py  info.py  weights.py  demo.py  train.py  prepare.py  bench.py  compare.py:
               one command each
bench_tables.py  job_progress.py: what `bench` prints, at its end and while it works
options.py     options that several commands share
failures.py    what ends a command becomes a line on stderr and an exit code
progress.py    frames, rate and time left, on a terminal
output.py      results to stdout, warnings and errors to stderr
text.py        numbers as people read them
records.py     reports as JSON objects
comparison.py  how far a decoded video is from its source

Modules here import nothing heavy at their top: help must come at once.
"""
