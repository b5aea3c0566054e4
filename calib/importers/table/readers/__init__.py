"""Read the rows of a table as dicts; one module per family of file formats."""
