"""Lampposts in radio range: their adverts, and connections to them. Only this part knows bleak."""
