"""The cache of decoded data sets: its entries, and the decoding that fills one."""
