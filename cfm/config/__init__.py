"""What config/ says: read, checked, and resolved for one budget."""

from cfm.config.config import BUDGETS, Config
from cfm.config.entries import FOLDER
from cfm.config.loader import as_filed, available_experiments, load

__all__ = ["BUDGETS", "FOLDER", "Config", "as_filed", "available_experiments", "load"]
