"""Mappings of venues and bots, one YAML file each; a new file adds a preset."""
