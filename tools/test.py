"""MMDetection's tools/test.py over AnomDet; see --help."""

from anomdet.cli.mmdet_tools import test

if __name__ == "__main__":
    test()
