"""The rows of a table as dicts, one reader a family of file forms."""
