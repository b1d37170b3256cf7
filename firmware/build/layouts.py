"""Flash layouts by board id.

Made by `python -m hardware generate` from hardware/boards and hardware/partitions; edit those.
"""

from firmware.build.layout import Layout, Region

LAYOUTS = {
    "esp32-wroom": Layout(
        chip="esp32",
        flash=0x400000,
        psram=False,
        bootloader=0x1000,
        stock="ESP32_GENERIC",
        stock_vfs=Region(0x200000, 0x200000),
        table="4MiB.csv",
        vfs=Region(0x2B0000, 0x150000),
        romfs=Region(0x200000, 0xB0000),
    ),
    "esp32-wrover": Layout(
        chip="esp32",
        flash=0x800000,
        psram=True,
        bootloader=0x1000,
        stock="ESP32_GENERIC-SPIRAM",
        stock_vfs=Region(0x200000, 0x600000),
        table="8MiB.csv",
        vfs=Region(0x400000, 0x400000),
        romfs=Region(0x300000, 0x100000),
    ),
    "esp32s3-ref": Layout(
        chip="esp32s3",
        flash=0x1000000,
        psram=True,
        bootloader=0x0,
        stock="SEEED_XIAO_ESP32S3",
        stock_vfs=Region(0x200000, 0xE00000),
        table="16MiB.csv",
        vfs=Region(0x500000, 0xB00000),
        romfs=Region(0x400000, 0x100000),
    ),
}
