"""About the data: check, health, browse, propose."""
