"""Objects and pictures that are no longer wanted: what may go, what must stay, and taking it away."""
