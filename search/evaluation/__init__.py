"""The judging of results: metrics, baselines, thresholds, tests of significance, plots.

Labels and probabilities have one form per task, everywhere in this package:

    task        labels                     probabilities
    binary      int32 (n,), 0 or 1         float32 (n, 1), of the positive class 1
    multiclass  int32 (n,), class numbers  float32 (n, classes), rows sum to 1
    multilabel  uint8 (n, classes), 0/1    float32 (n, classes), each on its own

An answer is the most probable class (of equals, the first), or every class whose probability is at least
its threshold, which is 0.5 unless another one is given.
"""
