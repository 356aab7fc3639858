"""`python -m imfcodec` is the command line."""

from imfcodec.cli.main import main

main()
