"""Detectors of caching patterns, shared by the rules; each rule selects its kinds of data."""
