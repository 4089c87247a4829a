"""Everything that is made of `runs.csv` and samples."""
