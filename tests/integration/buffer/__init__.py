"""The buffer on a disk that is full or read-only, and killed while it commits."""
