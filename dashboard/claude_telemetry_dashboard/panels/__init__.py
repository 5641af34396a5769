"""What pages are built from: numbers, charts, tables."""
