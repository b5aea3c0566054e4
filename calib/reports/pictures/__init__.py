"""Pictures of reports as SVG that stands alone, one kind a file."""
