"""Lampposts that are not ours yet: shown, adopted with their key, put in another's place."""
