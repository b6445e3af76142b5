"""The use cases, one verb a file. They reach storage and plug-ins through protocols alone."""
