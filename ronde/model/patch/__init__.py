"""What is true of a host's packages, decided from facts alone: what waits, what may run, what a run came to, in waves.

The values are the same for every package manager (`packages`, `audit`, `reboot`, `health`); the rules stand in
`conclusion`, `policy`, `outcome` and `health`; `waves` and `transaction` decide what happens next. Nothing here reads a
clock, a file or a host.
"""
