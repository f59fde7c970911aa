"""Image files to pixels, and what their headers say; no torch, and for a header no decoder."""

__all__ = ["decode", "headers", "heat", "limits", "read_header", "strips"]
