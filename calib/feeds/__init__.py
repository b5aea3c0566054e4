"""What is on disk: the schema, finding and reading feed files, writing them."""
