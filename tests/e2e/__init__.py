"""The whole street, through the programs a person would start."""
