"""The world around the software: parts, flash, buses, radio, streets, whole cities."""
