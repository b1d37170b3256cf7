"""What is frozen for the board "esp32s3-ref".

Made by `python -m hardware generate` from hardware/boards/esp32s3-ref.toml; edit that.
"""

# ruff: noqa: F821 - MicroPython's makemanifest.py runs it, and brings these names
include("../../manifest.py")
module("lamp_pins.py")
