"""REST resources of the broker."""
