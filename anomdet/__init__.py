"""AnomDet: train, evaluate and ship detectors of visual anomalies. Importing it costs nothing."""

__version__ = "0.1.0"
