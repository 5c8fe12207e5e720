"""The training loop and what it needs; it knows methods by their registry entry alone."""
