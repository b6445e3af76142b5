"""The manager agents: they read a review window and propose; nothing here can apply."""
