"""A fleet in several processes.

Its parts are rooms of their own: `resharding` (how stores are cut into more), `gateway` (the public
ports of all) and `engine` (what keeps them running: Ray).
"""
