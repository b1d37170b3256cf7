"""Releases: signed MCUboot images, built by firmware.build and looked at here."""
