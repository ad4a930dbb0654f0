"""Settings that all tests share."""

from hypothesis import settings

# No deadline: a busy machine makes single examples slow. In CI hypothesis is reproducible by itself.
settings.register_profile("no deadline", settings(), deadline=None)
settings.load_profile("no deadline")
