"""The commands: thin skins that read options, call the library, and print."""
