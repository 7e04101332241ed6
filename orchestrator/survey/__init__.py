"""What is really there."""
