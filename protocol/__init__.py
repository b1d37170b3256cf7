"""What a lamppost, a gateway and the fleet say to one another.

Runs unchanged on CPython and MicroPython, and imports nothing else of this project.
"""
