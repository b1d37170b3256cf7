"""The command line of a city's staff, and the city-side services behind it."""
