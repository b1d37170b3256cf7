"""Several parts together with a real broker, bus or database."""
