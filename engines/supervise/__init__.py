"""An engine that answers from a container, looked after as the CPU server looks after itself.

Verified before it starts, ready only when it has answered, started again when it hangs.
"""
