"""What holds for every test."""

from hypothesis import HealthCheck, settings

# No test is timed: on a busy machine any example may take long, and that says nothing about the code.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
