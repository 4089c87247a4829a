"""What is said where a variable that nothing reads is given on make's command line. Any Python runs this, before
anything is installed."""

import os
import sys

from cfm.errors import nearest, one_line


def complaint(unknown: "list[str]", known: "list[str]") -> str:
    """One line about the first of some unknown variables, with the nearest known one."""
    return one_line(f"make: unknown variable '{unknown[0][:80]}'; {nearest(unknown[0][:80].upper(), known)}")


if __name__ == "__main__":
    print(f"error: {complaint(os.environ['UNKNOWN'].split(), os.environ['KNOWN'].split())}", file=sys.stderr)
    sys.exit(2)
