"""MMDetection's tools/train.py over AnomDet; see --help."""

from anomdet.cli.mmdet_tools import train

if __name__ == "__main__":
    train()
