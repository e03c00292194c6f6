"""What a prediction says, and what should be done about it."""
