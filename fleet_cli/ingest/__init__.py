"""Taking records from the broker into the city store, each exactly once."""
