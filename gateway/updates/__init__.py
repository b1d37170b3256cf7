"""Releases brought to lampposts: fetched, checked, uploaded, tried, confirmed or reverted."""
