"""Drawing from a density that is known up to a constant."""
