"""The application of a lamppost node."""
