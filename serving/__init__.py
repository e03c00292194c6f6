"""Who asks, and how they are answered."""
