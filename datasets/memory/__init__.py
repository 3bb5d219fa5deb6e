"""Data sets that are made in Python: of arrays, DataFrames, `tf.data.Dataset`s and Hugging Face data sets."""
