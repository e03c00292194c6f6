"""Privacy: an account erased from every place, and the proof that it is."""
