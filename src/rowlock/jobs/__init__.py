"""Background work: what keeps loops going. No request waits for it; what the loops do is in the nouns' jobs.py."""
