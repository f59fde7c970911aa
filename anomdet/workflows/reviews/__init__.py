"""A review: predictions by detectors that did not learn from the image, and the page of suspects."""
