"""MMDetection's tools/visualize.py over AnomDet; see --help."""

from anomdet.cli.mmdet_tools import visualize

if __name__ == "__main__":
    visualize()
