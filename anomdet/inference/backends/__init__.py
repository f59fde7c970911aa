"""What runs a network: one module each, imported only when it is used."""

from anomdet.inference.backends.backend import Backend

__all__ = ["Backend"]
