"""The detector at work: images in, one verdict each out."""
