"""Where: one file per box of dvc.yaml. Read files, call polybatch, write files."""
