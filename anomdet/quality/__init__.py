"""About the data: check, health, browse, propose."""

__all__ = ["browse", "check", "health", "propose", "review"]
