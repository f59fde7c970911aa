"""The data folder that settings name, and what lies beside its images. Imports no torch."""
