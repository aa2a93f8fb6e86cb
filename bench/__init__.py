"""Every number that the README states, as a command that prints it: `python -m bench`.

Figures are ratios taken side by side in one run wherever two things can be compared: machines are
noisy, and so are neighbours. No test asserts a time.
"""
