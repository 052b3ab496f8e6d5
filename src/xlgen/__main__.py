"""``python -m xlgen``."""

from xlgen.cli import main

if __name__ == "__main__":
    main()
