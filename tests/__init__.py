"""Proof that the project does what it says."""
