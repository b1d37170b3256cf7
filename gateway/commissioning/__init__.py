"""Commissioning: each lamppost found, adopted, named and checked, and a report of it."""
