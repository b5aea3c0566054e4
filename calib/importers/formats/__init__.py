"""One module a recording format, each an `Importer`."""
