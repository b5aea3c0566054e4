"""The command line: each command parses, calls one function of the library, and renders one result."""

from calib.cli.main import main

__all__ = ["main"]
