"""The formats of recordings and logs: one module per format, each with an `Importer`."""
