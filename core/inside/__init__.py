"""What a network computes inside: its feature maps, sums, filters, reasons, its map of the data, and one step."""
