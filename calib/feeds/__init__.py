"""Feed files: their schema, reading and writing."""
