"""``python -m calib``: the same as the ``calib`` command."""

from calib.cli.main import main

main()
