"""A run: from its settings to a config that is complete, and what it leaves beside its weights."""
