"""Result files to pages that need no network; write_report is the entrance."""

__all__ = [
    "browse",
    "browse_folder",
    "class_left_out",
    "comparison",
    "export_page",
    "health_page",
    "review_page",
    "to_label_page",
    "write",
]
