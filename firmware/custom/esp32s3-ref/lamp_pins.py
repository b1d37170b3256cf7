"""The lamp's pins on the board "esp32s3-ref".

Made by `python -m hardware generate` from hardware/boards/esp32s3-ref.toml; edit that.
"""

LAMP_RELAY = 5
LAMP_DIMMING = 4
