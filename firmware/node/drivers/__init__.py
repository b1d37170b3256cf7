"""The parts on the lamppost: their bytes (pure), and bounded talk with them."""
