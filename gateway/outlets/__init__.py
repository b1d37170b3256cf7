"""Second outlets: what the city may have already gets the readings too, beside the city's store."""
