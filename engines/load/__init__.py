"""Load: requests that arrive when they arrive, and what became of them.

Arrivals are open-loop: the schedule is made before the first request is sent, and nothing that
the server does moves it. Every time counts from when a request was due, so a server that makes
others wait is not excused.
"""
