"""Stock MicroPython runs this at every start, also before mpremote's prompt: the lamp, no more."""

try:
    import startup

    startup.lamp_on()
except Exception as error:  # noqa: BLE001 - it is on by its hardware too
    print("boot: the lamp could not be put on:", error)
