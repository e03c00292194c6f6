"""How a prediction was learned, and whether it is better than what stood before."""
