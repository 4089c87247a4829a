"""q(x0, x1): which source point goes with which target point."""
