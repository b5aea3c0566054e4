"""Reports: view models (pure), their tables and pictures, and the Markdown they are rendered to."""
