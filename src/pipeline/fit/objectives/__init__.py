"""What the engine makes small."""
