"""Through the real BlueZ; run by `make test-bluez`."""
