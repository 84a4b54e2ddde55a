"""Work that goes on in the background: the loops, and the runner that keeps them going. No request waits for it."""
