// Made by `python -m hardware generate` from hardware/boards/esp32s3-ref.toml; edit that.
#define MICROPY_HW_BOARD_NAME "Lamplighter esp32s3-ref"
#define MICROPY_HW_MCU_NAME "ESP32-S3"
// The application runs where it lies in the partition romfs.
#define MICROPY_VFS_ROM (1)
// The console is on USB: UART 0 is the meter's.
#define MICROPY_HW_ENABLE_UART_REPL (0)
