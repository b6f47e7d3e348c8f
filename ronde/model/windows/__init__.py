"""Maintenance windows: when a client's machines may be changed, and when they may not.

A `Calendar` answers for one host: weekly hours, recurring windows (RFC 5545) and public holidays on the client's clock,
less the closed days, which always win. `calendar_of` builds it from the inventory; what it cannot read closes it.
"""
