"""Device code under the real MicroPython, in both word sizes."""
