"""Write the files of the sample company from the texts in ``content/``."""
