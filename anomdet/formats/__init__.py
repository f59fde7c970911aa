"""Labels from and to other formats; convert is the entrance."""
