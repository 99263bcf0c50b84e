"""Does a request prove that it comes from its sender? Pure: the receiver asks before it takes a request, and management
asks to explain a refusal. One small function per scheme; time is an argument.
"""
