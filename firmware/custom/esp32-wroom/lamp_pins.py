"""The lamp's pins on the board "esp32-wroom".

Made by `python -m hardware generate` from hardware/boards/esp32-wroom.toml; edit that.
"""

LAMP_RELAY = 26
LAMP_DIMMING = 25
