"""One host's array: what it should be, what is there, what to do about it, and doing it.

```
spec.py     what the inventory says                      Spec
facts.py    what the host says                           Facts
gather.py   reads the facts; the only reader             gather(run, ...) -> Facts
ladder.py   which disks may be touched at all            problems(spec, facts) -> messages
plan.py     what would be done, in order                 plan(spec, facts, ...) -> Plan
config.py   the lines of crypttab, fstab and mdadm.conf  pure edits of text
journal.py  what was begun and what was finished         survives a power cut
run.py      carries a plan out, step by step
```
"""
