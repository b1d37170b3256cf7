"""The RS-485 side: ports, turns on the line, sealed exchanges, polling."""
