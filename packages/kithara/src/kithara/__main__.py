"""`python -m kithara` is the command `kithara`."""

from _kithara import main

if __name__ == "__main__":
    main()
