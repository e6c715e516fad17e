"""Fitting and measuring: plain functions on numpy arrays. No database, no clock.

measures      how well a ranking or a probability does, with intervals by customer
binning       bins with a monotone bad rate, weight of evidence, a bin of its own for 'missing'
logistic      logistic regression with a ridge penalty and, where asked, coefficients that never change sign
calibration   from a score to a probability that happens as often as it says
points        between odds and points on a scale (PDO)

Everywhere: `bad` is 1 where the event happened and 0 where not; a higher `risk` means worse; NaN is 'missing'.
"""
