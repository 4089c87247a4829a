"""Speed of training and of the exact coupling, measured side by side in one run: `make bench`."""
