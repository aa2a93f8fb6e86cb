"""The judge: compares a canary with the proven engine, on the host, and may only take it out.

It never raises a share: every increase is a commit.
"""
