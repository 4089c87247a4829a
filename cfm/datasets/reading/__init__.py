"""Files that data sets are read from: where they are, and what is in them."""
