"""Mappings of venues and bots, a YAML file each: adding one is adding a file."""
