"""One matching, and every number from it; pure numpy but for metric.py, which adapts it to MMEngine."""
