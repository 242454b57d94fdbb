"""I/O shells: one folder or file for each transport."""
