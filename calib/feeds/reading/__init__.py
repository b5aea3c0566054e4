"""Finding and reading feed files: days, chunks, rows, rejects, the checkup of a directory."""
