"""The normal-only score: how far an image lies from the normal ones, where, and what that means for its verdict."""

__all__ = ["calibration", "features", "fit", "graph_features", "patches", "scorer"]
