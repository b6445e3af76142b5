"""The connectors that come with kbm."""
