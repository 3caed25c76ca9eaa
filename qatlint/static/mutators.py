"""Which methods and functions change an object, by their names."""

from __future__ import annotations

MUTATORS = frozenset(
    "append extend insert pop popitem clear update add discard remove setdefault popleft appendleft".split()
)
"""Methods that change a list, a dict or a set."""
CHANGERS = MUTATORS.union(
    "extendleft rotate sort reverse move_to_end subtract put put_nowait push write writelines fill resize "
    "difference_update intersection_update symmetric_difference_update __setitem__ __delitem__ normal "
    "uniform random randn rand randint integers choice shuffle permutation standard_normal".split()
)
"""Methods that change the object they are called on; a generator of random numbers is changed by a draw."""
FIRST_CHANGED = frozenset(
    "heappush heappop heapify heappushpop heapreplace insort insort_left insort_right shuffle copyto "
    "putmask setitem delitem next".split()
)
"""Functions that change their first argument."""
FILLED = frozenset(("out", "generator"))
"""Keywords of functions whose argument the call changes."""
REGISTERS = frozenset("register_buffer register_parameter register_module add_module __setattr__".split())
"""Methods that give a module a part by its name."""
