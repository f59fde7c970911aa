"""Labels from and to other formats; convert is the entrance."""

__all__ = ["convert", "dataset", "labelstudio", "names_beside", "recognise", "side_files"]
