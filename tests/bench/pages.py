"""Stands still with N MB of 4 KiB pages and T threads, for the benchmarks of the pause.

    pages.py [--megabytes 1000] [--threads 1]
"""

import argparse
import ctypes
import mmap
import threading

import answering

PR_SET_THP_DISABLE = 41
PAGE = 4096


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    size = options.megabytes * 1_000_000 // PAGE * PAGE
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for offset in range(0, size, PAGE):
        pages[offset] = 1
    never = threading.Event()
    for _ in range(options.threads - 1):
        threading.Thread(target=never.wait, daemon=True).start()
    print("ready", size, flush=True)
    answering.serve()


if __name__ == "__main__":
    main()
