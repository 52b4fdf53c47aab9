"""What every room uses: errors, whole files, tables, language codes, vectors."""
