"""What data has to be before anything is trained or measured on it."""
