"""The champion behind an endpoint: what follows the alias on a cluster."""
