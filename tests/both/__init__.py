"""Tests that run unchanged under CPython and under the real MicroPython: no pytest in them."""
