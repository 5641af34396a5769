"""A stack with made-up traffic: the real SDK, recorded for real, asking a stand-in for the Claude API."""
