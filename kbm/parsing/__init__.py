"""From bytes to elements, in a worker process with limits."""
