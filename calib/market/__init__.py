"""The live book: order book, stream, cache and its safeguards."""
