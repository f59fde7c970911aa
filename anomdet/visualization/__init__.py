"""Boxes drawn on images; draw is the entrance."""

__all__ = ["color", "draw", "sheets", "strip", "verdict", "write"]
