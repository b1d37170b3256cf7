"""What the firmware's build is told of the boards' flash, and MicroPython of the boards."""

from hardware import partitions
from hardware.model import Board, HardwareError

MADE = "Made by `python -m hardware generate`"
# MicroPython's own settings, in its port's folder: of the chip, and of its PSRAM.
_COMMON = {"esp32": "boards/mpconfigboard_esp32_common.cmake",
           "esp32s3": "boards/mpconfigboard_esp32s3_common.cmake"}  # fmt: skip
_FAST = {"esp32": ["boards/sdkconfig.240mhz"],
         "esp32s3": ["boards/sdkconfig.240mhz", "boards/sdkconfig.flash_qio_80m"]}  # fmt: skip
_PSRAM = {"esp32": "boards/sdkconfig.spiram_esp32", "esp32s3": "boards/sdkconfig.spiram_oct"}
_MCU = {"esp32": "ESP32", "esp32s3": "ESP32-S3"}
_CMAKE = """# MicroPython for the board "{board.id}": {board.module}.
# {source}
include({common})

# ESP-IDF looks for a partition table in MicroPython's port: it is told the whole path of ours.
get_filename_component(TABLE ${{MICROPY_BOARD_DIR}}/../../../hardware/partitions/{table} ABSOLUTE)
set(OURS ${{CMAKE_BINARY_DIR}}/sdkconfig.lamplighter)
file(WRITE ${{OURS}} "{not_default}CONFIG_ESPTOOLPY_FLASHSIZE_{board.flash_mib}MB=y
CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\\"${{TABLE}}\\"
")
list(APPEND SDKCONFIG_DEFAULTS
    {settings}
    ${{OURS}}
)

set(MICROPY_FROZEN_MANIFEST ${{MICROPY_BOARD_DIR}}/manifest.py)
"""


def layouts(boards: list[Board]) -> str:
    """The source of ``firmware/build/layouts.py``. Raises HardwareError."""
    lines = [
        '"""Flash layouts by board id.',
        "",
        f"{MADE} from hardware/boards and hardware/partitions; edit those.",
        '"""',
        "",
        "from firmware.build.layout import Layout, Region",
        "",
        "LAYOUTS = {",
    ]
    for board in boards:
        custom = partitions.custom(board.flash_mib)
        stock = partitions.stock(board.flash_mib)
        lines += [
            f'    "{board.id}": Layout(',
            f'        chip="{board.chip.id}",',
            f"        flash=0x{board.flash_mib * partitions.MIB:X},",
            f"        psram={bool(board.psram_mib)},",
            f"        bootloader=0x{board.chip.bootloader:X},",
            f'        stock="{board.stock}",',
            f"        stock_vfs={_region(stock['vfs'])},",
            f'        table="{partitions.table_file(board.flash_mib).name}",',
            f"        vfs={_region(custom['vfs'])},",
            f"        romfs={_region(custom['romfs'])},",
            "    ),",
        ]
    return "\n".join([*lines, "}", ""])


def build_files(board: Board) -> dict[str, str]:
    """What MicroPython's build needs of a board, by file name in its ``firmware/custom`` folder."""
    chip = board.chip.id
    if chip not in _COMMON:
        raise HardwareError(f"{board.id}: no settings of MicroPython are known for the {chip}")
    settings = [*_FAST[chip], *([_PSRAM[chip]] if board.psram_mib else [])]
    source = f"{MADE} from hardware/boards/{board.id}.toml; edit that."
    return {
        "lamp_pins.py": (
            f'"""The lamp\'s pins on the board "{board.id}".\n\n{source}\n"""\n\n'
            f"LAMP_RELAY = {board.pins['LAMP_RELAY'].gpio}\n"
            f"LAMP_DIMMING = {board.pins['LAMP_DIMMING'].gpio}\n"
        ),
        "manifest.py": (
            f'"""What is frozen for the board "{board.id}".\n\n{source}\n"""\n\n'
            "# ruff: noqa: F821 - MicroPython's makemanifest.py runs it, and brings these names\n"
            'include("../../manifest.py")\nmodule("lamp_pins.py")\n'
        ),
        "mpconfigboard.cmake": _CMAKE.format(
            board=board,
            source=source,
            common=_COMMON[chip],
            settings="\n    ".join(settings),
            table=partitions.table_file(board.flash_mib).name,
            # MicroPython's own setting, which only another size may take back.
            not_default="CONFIG_ESPTOOLPY_FLASHSIZE_4MB=\n" if board.flash_mib != 4 else "",
        ),
        "mpconfigboard.h": (
            f"// {source}\n"
            f'#define MICROPY_HW_BOARD_NAME "Lamplighter {board.id}"\n'
            f'#define MICROPY_HW_MCU_NAME "{_MCU[chip]}"\n'
            "// The application runs where it lies in the partition romfs.\n"
            "#define MICROPY_VFS_ROM (1)\n"
            + (
                ""
                if 0 in board.chip.console_uarts
                else "// The console is on USB: UART 0 is the meter's.\n"
                "#define MICROPY_HW_ENABLE_UART_REPL (0)\n"
            )
        ),
    }


def _region(partition: partitions.Partition) -> str:
    return f"Region(0x{partition.offset:X}, 0x{partition.size:X})"
