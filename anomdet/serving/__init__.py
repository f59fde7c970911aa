"""The HTTP face of a detector (extra ``serve``), without torch; no path or address that a client names is opened."""

__all__ = ["desk", "meters", "models", "server", "settings"]
