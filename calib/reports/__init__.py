"""Reports: pure view models, their tables and pictures, and rendering as Markdown and HTML."""
