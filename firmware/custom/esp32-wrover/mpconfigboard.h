// Made by `python -m hardware generate` from hardware/boards/esp32-wrover.toml; edit that.
#define MICROPY_HW_BOARD_NAME "Lamplighter esp32-wrover"
#define MICROPY_HW_MCU_NAME "ESP32"
// The application runs where it lies in the partition romfs.
#define MICROPY_VFS_ROM (1)
