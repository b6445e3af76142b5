"""What the figures of speed and quality come from: ``make bench``."""

import os

# Before numpy is imported anywhere: two threads on two cores are slower than one, and figures are per thread.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Before unstructured is: its import reports home.
os.environ.update(DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true", UNSTRUCTURED_DISABLE_NOTICE="1")
