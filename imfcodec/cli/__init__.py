"""The command line: `imfcodec COMMAND`.

main.py        the group: finds commands, --version, table of exit codes
encode.py      decode.py  info.py  weights.py  demo.py  train.py  prepare.py  bench.py  compare.py:
               one command each
bench_tables.py  job_progress.py: what `bench` prints, at its end and during the run
options.py     options that several commands share
failures.py    an error or a signal becomes a line on stderr and an exit code
progress.py    frames, rate and time left, on a terminal
output.py      results to stdout, warnings and errors to stderr
text.py        numbers as people read them
records.py     reports as JSON objects
comparison.py  quality of a decoded video against its source

Modules here import nothing heavy at their top, so that help appears at once.
"""
