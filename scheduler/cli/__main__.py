"""`python -m scheduler.cli` is `kwhen`."""

import sys

from scheduler.cli import main

sys.exit(main())
