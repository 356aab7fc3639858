"""`python -m imfcodec.cli`, for where the `imfcodec` script is not on the path."""

from imfcodec.cli.main import main

main()
