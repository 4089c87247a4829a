"""What config/ says: read, checked, and resolved for one budget."""

from cfm.config.config import BUDGETS, Config
from cfm.config.entries import FOLDER, available_experiments
from cfm.config.loader import as_filed, load, load_cell
from cfm.config.selection import Selection

__all__ = ["BUDGETS", "FOLDER", "Config", "Selection", "as_filed", "available_experiments", "load", "load_cell"]
