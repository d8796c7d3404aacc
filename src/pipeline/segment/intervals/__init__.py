"""Good time cut into uninterrupted intervals of bins, and the length of segments in them."""
