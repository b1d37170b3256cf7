"""From readings to records: one task per sensor, each on its own when its part is dead."""
