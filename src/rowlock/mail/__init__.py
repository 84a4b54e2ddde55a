"""Mail: composes, sends and records it; what a mail says, and when it is due, is decided by the nouns."""
