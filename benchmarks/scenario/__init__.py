"""The scenarios: each yields samples, a round after another, the products taking turns."""
