"""One module at a time, on CPython."""
