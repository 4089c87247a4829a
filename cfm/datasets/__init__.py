"""Data sets: a family is a file here that ends with `DATASET = ItsClass`; what families build on begins with `_`."""

from cfm.datasets._density import Density
from cfm.datasets._time_course import TimeCourse

__all__ = ["Density", "TimeCourse"]
