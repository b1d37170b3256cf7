"""What a gateway needs to be left alone in a cabinet: its surroundings looked at and set up."""
