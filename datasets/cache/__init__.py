"""The cache of decoded data sets: its entries, and how an entry is decoded and written."""
