"""Boxes drawn on images; draw is the entrance."""
