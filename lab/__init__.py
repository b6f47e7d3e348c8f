"""The lab: real servers on this one machine, for the demo, the tests and the benchmarks.

Everything here is the real thing (OpenSSH, restic, borg, PostgreSQL's dumps, Redis, a vCenter simulator, an SMTP
server) on loopback addresses of its own, with faults that can be put in and taken out by name.
"""
