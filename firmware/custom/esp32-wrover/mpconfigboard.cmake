# MicroPython for the board "esp32-wrover": ESP32-WROVER-E-N8R8.
# Made by `python -m hardware generate` from hardware/boards/esp32-wrover.toml; edit that.
include(boards/mpconfigboard_esp32_common.cmake)

# ESP-IDF looks for a partition table in MicroPython's port: it is told the whole path of ours.
get_filename_component(TABLE ${MICROPY_BOARD_DIR}/../../../hardware/partitions/8MiB.csv ABSOLUTE)
set(OURS ${CMAKE_BINARY_DIR}/sdkconfig.lamplighter)
file(WRITE ${OURS} "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=
CONFIG_ESPTOOLPY_FLASHSIZE_8MB=y
CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${TABLE}\"
")
list(APPEND SDKCONFIG_DEFAULTS
    boards/sdkconfig.240mhz
    boards/sdkconfig.spiram_esp32
    ${OURS}
)

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
