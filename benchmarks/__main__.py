"""Entry point of `make bench`: every benchmark, one after the other."""

from benchmarks import load

if __name__ == "__main__":
    load.main()
