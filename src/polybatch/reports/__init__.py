"""What people read: comparison, pairwise tables, the results folder, the page."""
