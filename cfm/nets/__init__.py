"""Networks: those that are trained by a method, and those that judge pictures."""
