"""Readings for people and programs: columns with units, values in whole units."""
