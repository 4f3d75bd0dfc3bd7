"""Where the bytes of instances live: one protocol, its backends, and the records of what awaits indexing."""
