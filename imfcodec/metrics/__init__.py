"""Quality metrics: one file each, arrays in, numbers out."""
