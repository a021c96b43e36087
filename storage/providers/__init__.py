"""Whether a provider may be called: the operators' switches."""
