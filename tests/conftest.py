"""Settings that all tests share."""

import signal

from hypothesis import settings

# No deadline: a busy machine makes single examples slow. In CI hypothesis is reproducible by itself.
settings.register_profile("no deadline", settings(), deadline=None)
settings.load_profile("no deadline")

# A run in the background starts with Ctrl-C ignored, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
