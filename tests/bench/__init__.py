"""Measurements; run by make bench, never a reason for a test to fail."""
