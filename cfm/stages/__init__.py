"""The pipeline's stages: each reads files, calls the mathematics, and writes files."""
