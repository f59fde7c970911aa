"""A checkpoint's network as one graph for other runtimes, and the comparison that it must pass. Imports torch."""
