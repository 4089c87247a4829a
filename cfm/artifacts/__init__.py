"""The files between the stages, a module for each kind: its content, its check, reading and writing."""
