"""A checkpoint's network as one graph for other runtimes, and the comparison that it must pass. Imports torch."""

__all__ = ["diagnosis", "features", "graph", "int8", "parity", "scripted", "triton", "writers"]
