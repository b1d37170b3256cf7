"""The lamp: what level it should have, and how it gets there."""
