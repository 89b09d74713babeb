"""``python -m hpotool``."""

from hpotool.cli.app import main

if __name__ == "__main__":
    main()
