"""The commissioning page for a phone, and the socket that the command line uses."""
