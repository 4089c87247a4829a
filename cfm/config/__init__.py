"""What config/ says: read, checked, and resolved for one budget."""

from cfm.config.config import BUDGETS, Config
from cfm.config.entries import FOLDER, available_experiments
from cfm.config.loader import load, load_cell
from cfm.config.selection import Selection

__all__ = ["BUDGETS", "FOLDER", "Config", "Selection", "available_experiments", "load", "load_cell"]
