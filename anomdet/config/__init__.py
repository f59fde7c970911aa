"""The settings: schema, files with the line of each error, and their translation to MMEngine."""
