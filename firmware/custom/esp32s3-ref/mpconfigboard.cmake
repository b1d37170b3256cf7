# MicroPython for the board "esp32s3-ref": ESP32-S3-WROOM-1-N16R8.
# Made by `python -m hardware generate` from hardware/boards/esp32s3-ref.toml; edit that.
include(boards/mpconfigboard_esp32s3_common.cmake)

# ESP-IDF looks for a partition table in MicroPython's port: it is told the whole path of ours.
get_filename_component(TABLE ${MICROPY_BOARD_DIR}/../../../hardware/partitions/16MiB.csv ABSOLUTE)
set(OURS ${CMAKE_BINARY_DIR}/sdkconfig.lamplighter)
file(WRITE ${OURS} "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=
CONFIG_ESPTOOLPY_FLASHSIZE_16MB=y
CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${TABLE}\"
")
list(APPEND SDKCONFIG_DEFAULTS
    boards/sdkconfig.240mhz
    boards/sdkconfig.flash_qio_80m
    boards/sdkconfig.spiram_oct
    ${OURS}
)

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
