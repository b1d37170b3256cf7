"""The Raspberry Pi in the street cabinet: collects from its lampposts and loses no reading."""
