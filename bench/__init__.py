"""What the figures of speed and quality come from: ``make bench``."""
