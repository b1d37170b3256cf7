"""A gateway in one file: taken while it runs, brought back on another card."""
