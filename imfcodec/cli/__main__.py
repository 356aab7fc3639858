"""`python -m imfcodec.cli`, for use if the `imfcodec` script is not on the path."""

from imfcodec.cli.main import main

main()
