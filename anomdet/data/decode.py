"""The reader of images under the name that scripts of earlier versions import; it is :mod:`anomdet.images.decode`."""

from anomdet.images.decode import read_image

__all__ = ["read_image"]
