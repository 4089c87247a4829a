"""`python -m benchmarks`, as `make bench` runs it: training and the exact coupling against a plain loop."""

from pathlib import Path

from benchmarks.run import bench
from cfm.config import load

bench(Path(load("quick").main.results) / "bench")
