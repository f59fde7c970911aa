"""MMDetection's tools/browse_dataset.py over AnomDet; see --help."""

from anomdet.cli.mmdet_tools import browse_dataset

if __name__ == "__main__":
    browse_dataset()
